"""Exact counts of votes over blocks of samples."""
