"""Measurements: what the certificates reach on real images (`evidence`), and how fast the core is (`speed`)."""
