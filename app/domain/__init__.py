"""What the service talks about: pure data and rules, importing nothing else of ours."""
