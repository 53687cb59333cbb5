"""Slow, literal versions of every formula, written from the definitions and sharing no code with the service."""
