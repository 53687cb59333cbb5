"""surety serve."""

from __future__ import annotations

import signal
import time
from typing import Annotated

import typer

from worker.cli.address import LOOPBACK
from worker.cli.console import console, stop
from worker.cli.stack import Stack
from worker.contract.archive import ArchivesError
from worker.contract.settings import Settings
from worker.service.server import ServerError
from worker.service.signing import SigningKeyError

ADDRESS = "address"


def serve(
    port: Annotated[int, typer.Option(help="0 takes a free one")] = 0,
    host: Annotated[str, typer.Option(help="address to listen at; beyond loopback API keys are needed")] = LOOPBACK,
) -> None:
    """Run Redis, a worker and the API on this machine until Ctrl-C."""
    settings = Settings()
    address = settings.state_dir / ADDRESS
    # A service manager ends us with SIGTERM; what we started must end with us either way.
    # A shell that starts us in the background has SIGINT ignored, which Python would inherit.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        with Stack(settings, port, host) as stack:
            address.write_text(stack.url)
            console.print(
                f"Surety serves at [bold]{stack.url}[/]  (API documents: {stack.url}/docs; log: {stack.log})",
                soft_wrap=True,
            )
            console.print("In another terminal: surety explain IMAGE. Stop with Ctrl-C.")
            while True:
                time.sleep(0.5)
                stack.check()
    except KeyboardInterrupt:
        console.print("Stopped.")
    except (ServerError, SigningKeyError, ArchivesError) as error:
        stop(str(error), hint="surety doctor says more.")
    finally:
        address.unlink(missing_ok=True)
