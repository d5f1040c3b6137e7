"""HTTP in, HTTP out: routes call use cases and nothing else."""
