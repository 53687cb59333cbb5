"""surety doctor."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Annotated

import typer
from rich.markup import escape

from models.cards import load_cards, shipped
from worker.cli.console import console
from worker.contract.archive import ArchivesError, archives
from worker.contract.errors import ArchiveRefused, SuretyError
from worker.contract.settings import Settings
from worker.dicom.archive import ArchiveClient
from worker.dicom.orthanc import Orthanc
from worker.service.server import ServerError, find_binary
from worker.service.signing import SigningKeyError, own_key
from worker.store.jobs import JobStore


class Sick(Exception):
    """Something is missing; the message says how to mend it."""


def doctor(
    archive: Annotated[str | None, typer.Option(help="try this archive of SURETY_ARCHIVES, too")] = None,
) -> None:
    """Say what is missing on this machine and how to mend it; status 1 if anything is."""
    settings = Settings()
    checks: dict[str, Callable[[Settings], str]] = {
        "python": _python,
        "torch": _torch,
        "torchvision": _torchvision,
        "redis": _redis,
        "models": _models,
        "state": _state,
        "signing": _signing,
        "archives": _archives,
    }
    if archive is not None:
        checks[archive] = lambda settings: _archive(settings, archive)
    sick = 0
    for name, check in checks.items():
        try:
            console.print(f"[green]ok[/]      {name:12} {escape(check(settings))}", soft_wrap=True)
        except (Sick, ServerError, SigningKeyError, ArchivesError, SuretyError) as error:
            sick += 1
            console.print(f"[bold red]missing[/] {name:12} {escape(str(error))}", soft_wrap=True)
    raise typer.Exit(1 if sick else 0)


def _python(settings: Settings) -> str:
    if sys.version_info < (3, 11):
        raise Sick("Python 3.11 or newer is needed; make a new .venv with it")
    return sys.version.split()[0]


def _torch(settings: Settings) -> str:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise Sick(f"torch cannot be imported ({error}); run `make install` or pip install 'surety[worker]'") from error
    cuda = torch.cuda.is_available()
    if settings.device == "cuda" and not cuda:
        raise Sick("SURETY_DEVICE=cuda, but torch sees no CUDA device; set it to auto or cpu, or install a driver")
    return f"{torch.__version__}, computes on {'cuda' if cuda and settings.device != 'cpu' else 'cpu'}"


def _torchvision(settings: Settings) -> str:
    try:
        names = importlib.import_module("models.vision").architectures()
    except ImportError as error:
        raise Sick(f"torchvision cannot be imported ({error}); run `make install`") from error
    return f"{len(names)} architectures for model cards"


def _redis(settings: Settings) -> str:
    if settings.redis_url is None:
        return f"own server, {find_binary()}"
    store = JobStore(settings)
    try:
        store.ping()
    except SuretyError as error:
        raise Sick(f"nothing answers at SURETY_REDIS_URL: {error.detail} Start it, or unset the variable") from error
    finally:
        store.close()
    return "the server of SURETY_REDIS_URL answers"


def _models(settings: Settings) -> str:
    entries = load_cards(shipped(), *([settings.models_dir] if settings.models_dir else []))
    for name, entry in entries.items():
        if not entry.weights.is_file():
            raise Sick(f"{name}: {entry.weights} is missing; restore it or take the card away")
        if hashlib.sha256(entry.weights.read_bytes()).hexdigest() != entry.card.sha256:
            raise Sick(f"{name}: {entry.weights} is not the file of its card's sha256; restore it or correct the card")
    return ", ".join(entries)


def _state(settings: Settings) -> str:
    folder = settings.state_dir.absolute()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(there, os.W_OK):
        raise Sick(f"{there} cannot be written; set SURETY_STATE_DIR to a folder of yours")
    return str(folder)


def _signing(settings: Settings) -> str:
    key = own_key(settings)
    return f"certificates are signed with key {key.key_id}" if key else "the first worker will make a key"


def _archives(settings: Settings) -> str:
    return ", ".join(archives(settings)) or "none; SURETY_ARCHIVES names them"


def _archive(settings: Settings, name: str) -> str:
    known = archives(settings)
    if name not in known:
        raise Sick(f"no archive of this name is in SURETY_ARCHIVES; known: {', '.join(known) or 'none'}")
    with ArchiveClient(name, known[name]) as client:
        client.ping()
    with closing(Orthanc(name, known[name])) as orthanc:
        try:
            orthanc.changes(0)
        except ArchiveRefused:
            return "answers searches; `surety bridge` cannot watch it, for it is no Orthanc"
    return "answers searches; `surety bridge` can watch it"
