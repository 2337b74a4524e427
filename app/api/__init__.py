"""HTTP in and out; the only folder (with server.py) that knows FastAPI."""
