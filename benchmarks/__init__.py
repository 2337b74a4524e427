"""The benchmark suite: `./run.sh bench`. Never a test: figures are for people, on a quiet machine."""
