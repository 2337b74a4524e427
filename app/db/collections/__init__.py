"""One file a collection: the thin executors of the transitions."""
