"""surety audit-log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.console import console, stop
from worker.contract.settings import Settings
from worker.service.ledger import Ledger, LedgerError, checked, lines

app = typer.Typer(help="The audit log: who asked what, and what came of it. Read from its files.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Option("--dir", help="the log's folder; none: that of the settings")]


@app.command()
def verify(
    files: Annotated[list[Path] | None, typer.Argument(help="files in their order; none: the whole log")] = None,
    head: Annotated[str, typer.Option(help="a hash that `head` printed: its entry must still be there")] = "",
    folder: Folder = None,
) -> None:
    """Find the first line that was changed, removed, added or moved; status 1 if there is one.

    What is missing at the end is found only with --head.
    """
    wanted = head.rpartition(" ")[2]
    found = not wanted
    first = last = None
    with _told():
        for _, _, last in checked(files or _files(folder), whole=not files):
            first = first or last
            found = found or last.sha256 == wanted
    if first is None or last is None:
        stop("These files have no entries.", hint="Lines were removed, or nothing was written yet.")
    if not found:
        stop(f"No entry has the hash {wanted}.", hint="Lines were removed at the end, or it is of another log.")
    console.print(f"Entries {first.number} to {last.number} are whole. Head: {last.head}", soft_wrap=True)


@app.command()
def show(
    job: Annotated[str, typer.Option(help="events of this job only")] = "",
    since: Annotated[datetime | None, typer.Option(help="UTC; events from then on only")] = None,
    folder: Folder = None,
) -> None:
    """Print entries, a JSON object a line, as they stand in the log."""
    with _told():
        for _, _, entry in lines(_files(folder)):
            if job in ("", entry.job) and (since is None or entry.at.replace(tzinfo=None) >= since):
                typer.echo(entry.line(), nl=False)


@app.command()
def head(folder: Folder = None) -> None:
    """Print the number and hash of the last entry. Keep them elsewhere: `verify --head` finds what is missing since."""
    with _told():
        last = deque(lines(_files(folder)), maxlen=1)
    if not last:
        stop("The log has no entries.")
    typer.echo(last[0].entry.head)


def _files(folder: Path | None) -> list[Path]:
    settings = Settings()
    ledger = Ledger(settings.model_copy(update={"audit_dir": folder}) if folder else settings)
    if not ledger.files:
        stop(f"There is no audit log in {ledger.folder}.", hint="SURETY_AUDIT_DIR or --dir names its folder.")
    return ledger.files


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except LedgerError as error:
        stop(str(error))
    except OSError as error:
        stop(f"{error.filename}: {error.strerror}")
