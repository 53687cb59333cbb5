"""surety worker."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from worker.cli.console import stop
from worker.cli.stack import cards_json
from worker.contract import logs
from worker.contract.archive import ArchivesError
from worker.contract.errors import StoreUnavailable
from worker.contract.settings import Settings
from worker.service.signing import SigningKeyError
from worker.service.supervisor import Supervisor
from worker.store.jobs import JobStore


def worker(
    seen: Annotated[bool, typer.Option("--seen", help="say whether a worker of this host was seen of late")] = False,
) -> None:
    """Run a worker for the Redis that SURETY_REDIS_URL names, until Ctrl-C or SIGTERM."""
    settings = Settings()
    if settings.redis_url is None:
        stop("A worker on its own needs SURETY_REDIS_URL.", hint="`surety serve` runs everything on one machine.")
    if not seen:
        logs.set_up(settings.log)
        try:
            Supervisor(settings, cards_json(settings)).run()
        except (SigningKeyError, ArchivesError) as error:
            stop(str(error))
        return
    store = JobStore(settings)
    try:
        here = [name for name in store.workers() if name.startswith(f"{socket.gethostname()}:")]
    except StoreUnavailable as error:
        stop(error.detail)
    finally:
        store.close()
    if not here:
        stop("no worker of this host was seen in the last seconds", hint="its log says why")
