"""The contract, the job store, the science, the workers and the command line."""
