"""surety demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.cards import shipped
from worker.cli.client import Refused, Unreachable
from worker.cli.console import console, stop
from worker.cli.explain import remote
from worker.cli.stack import Stack
from worker.contract.archive import ArchivesError
from worker.contract.settings import Settings
from worker.service.server import ServerError
from worker.service.signing import SigningKeyError

SPEC = {
    "model": "digits",
    "noise": {"name": "gaussian", "sigma": 0.25},
    "samples": 8192,
    "certificates": [
        {"name": "topk_overlap", "k": 0.2, "radii": [0.03, 0.1, 0.2]},
        {"name": "topk_overlap_as_printed", "k": 0.2, "radii": [0.03, 0.1, 0.2]},
        {"name": "pixel_status", "k": 0.2, "radii": [0.03, 0.1, 0.2]},
    ],
}


def demo(
    out: Annotated[Path, typer.Option(help="folder for pictures and certificate")] = Path("out"),
) -> None:
    """Start the whole service, explain one held-out digit, show the certificate, and stop everything again."""
    settings = Settings()
    settings = settings.model_copy(update={"state_dir": settings.state_dir / "demo", "allow_anonymous": True})
    image = sorted((shipped() / "digits" / "samples").glob("*.png"))[6]
    try:
        console.print("Starting Redis, a worker and the API on loopback ...")
        with Stack(settings) as stack:
            console.print(f"Ready at {stack.url}. Posting {image.name}, a handwritten digit the model has never seen.")
            remote(stack.url, image, SPEC, out)
        console.print("Everything that was started has stopped.")
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left running.")
        raise typer.Exit(130) from None
    except (Refused, Unreachable, ServerError, SigningKeyError, ArchivesError) as error:
        stop(str(error), hint="surety doctor says more.")
