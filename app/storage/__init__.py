"""Where bytes live: one small protocol, a folder or an S3 bucket behind it."""
