"""One vendor per file; translates and nothing else."""
