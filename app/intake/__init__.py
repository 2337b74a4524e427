"""Step 1: accept a document, durably, before anyone is told that it was accepted."""
