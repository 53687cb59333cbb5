"""surety worker."""

from __future__ import annotations

from worker.cli.console import stop
from worker.cli.stack import cards_json
from worker.contract.settings import Settings
from worker.service.supervisor import Supervisor


def worker() -> None:
    """Run a worker for the Redis that SURETY_REDIS_URL names, until Ctrl-C or SIGTERM."""
    settings = Settings()
    if settings.redis_url is None:
        stop("A worker on its own needs SURETY_REDIS_URL.", hint="`surety serve` runs everything on one machine.")
    Supervisor(settings, cards_json(settings)).run()
