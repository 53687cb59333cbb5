"""surety verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from worker.cli.client import Client, Refused, Unreachable
from worker.cli.console import console, stop
from worker.contract.settings import Settings
from worker.contract.signature import PublicKey
from worker.contract.verification import Verification, VerificationSpec

File = typer.Argument(exists=True, dir_okay=False, readable=True)
COLOURS = {"passed": "green", "failed": "bold red", "not_checked": "yellow"}
STATUS = {"passed": 0, "failed": 1, "not_checked": 2}


def verify(
    certificate: Annotated[Path, File],
    image: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="the image that was explained")
    ] = None,
    blocks: Annotated[str, typer.Option(help="with --image: share of the run that is computed again")] = "5%",
    key: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="the public key to trust, PEM")] = None,
    key_id: Annotated[str | None, typer.Option(help="of the known keys trust this one only")] = None,
    url: Annotated[str | None, typer.Option(help="trust the keys that this service lists")] = None,
    seed: Annotated[int | None, typer.Option(help="chooses the share again that an earlier run chose")] = None,
) -> None:
    """Check a certificate, offline. Status 0: all that was asked holds; 1: something is wrong; 2: not all could be
    checked, for want of a key or a model."""
    settings = Settings()
    spec = VerificationSpec(blocks=_share(blocks), seed=seed)
    keys = _keys(settings, key, url)
    if key_id is not None:
        keys = [known for known in keys if known.key_id == key_id]
        if not keys:
            stop(f"No key {key_id} is known here.", hint="Name its file with --key, or a service with --url.", status=2)

    from models.cards import shipped  # torch takes seconds to import
    from models.registry import Registry
    from worker.service.verifier import Verifier

    verifier = Verifier(settings, Registry([shipped(), *([settings.models_dir] if settings.models_dir else [])]))
    found = verifier.verify(certificate.read_bytes(), keys, image.read_bytes() if image else None, spec)
    _show(found)
    raise typer.Exit(STATUS[found.outcome])


def _show(found: Verification) -> None:
    width = max(len(check.name) for check in found.checks)
    for check in found.checks:
        said = check.outcome.replace("_", " ")
        console.print(
            f"[{COLOURS[check.outcome]}]{said:11}[/]  {check.name:{width}}  {escape(check.detail)}", soft_wrap=True
        )
    summary = {
        "passed": "All that was asked for holds.",
        "failed": "This certificate must not be relied on.",
        "not_checked": "Nothing is wrong, but not all could be checked.",
    }
    console.print(f"\n[{COLOURS[found.outcome]}]{summary[found.outcome]}[/]")


def _share(text: str) -> float:
    try:
        share = float(text.strip().removesuffix("%"))
    except ValueError:
        share = 0.0
    if not 0.0 < share <= 100.0:
        stop(f"--blocks is a share in percent, for instance 5%, not {escape(text)}.", status=2)
    return share


def _keys(settings: Settings, file: Path | None, url: str | None) -> list[PublicKey]:
    """The keys to trust: the file's, the service's, or this machine's own."""
    from worker.service.signing import SigningKeyError, own_key, read_public

    try:
        if file is not None:
            return [read_public(file)]
        if url is not None:
            with Client(url) as client:
                return client.public_keys()
        own = own_key(settings)
    except (SigningKeyError, Refused, Unreachable) as error:
        stop(str(error), status=2)
    return [own] if own else []
