"""Many requests, many jobs, one and two workers: `make load` and `make scaling` measure the running service."""
