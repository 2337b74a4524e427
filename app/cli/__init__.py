"""The command line: `python -m app.cli`. Operator's commands speak to the database."""
