"""`python -m worker.cli`: the `surety` command where its script is not installed."""

from worker.cli.main import app

app()
