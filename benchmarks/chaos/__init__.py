"""Faults put into the real service, and what became of its jobs: `make chaos` writes docs/evidence/faults.md."""
