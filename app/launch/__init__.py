"""What `./run.sh` does: set up, start every process of the service on one machine, stop them again."""
