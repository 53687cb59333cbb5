"""surety keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table

from worker.cli.console import console, stop
from worker.contract.errors import StoreUnavailable
from worker.contract.settings import Settings
from worker.service.server import RedisServer, ServerError
from worker.store.keys import Keyring

app = typer.Typer(
    help="API keys: make, list and revoke them, in the Redis that the settings name.", no_args_is_help=True
)


@app.command()
def create(
    owner: Annotated[str, typer.Option(help="whose jobs are made and seen with it")],
    scope: Annotated[list[str], typer.Option(help="submit: make, cancel, delete jobs; read; admin: all, of everybody")],
) -> None:
    """Make a key. It is printed this once and not kept."""
    with _keyring() as keyring:
        try:
            text, key = keyring.create(owner, scope)
        except ValueError as error:
            stop(str(error))
        typer.echo(
            f"Key {key.id} of {key.owner} for {', '.join(key.scopes)}. Keep it: it is not shown again.", err=True
        )
        typer.echo(text)


@app.command(name="list")
def list_() -> None:
    """List the keys, also those revoked."""
    table = Table("id", "owner", "scopes", "made", "revoked")
    with _keyring() as keyring:
        for key in keyring.all():
            revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
            table.add_row(key.id, key.owner, ", ".join(key.scopes), f"{key.created_at:%Y-%m-%d %H:%M}", revoked)
    console.print(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="as `surety keys list` shows it")]) -> None:
    """End a key. The next request with it is refused."""
    with _keyring() as keyring:
        key = keyring.revoke(key_id)
    if key is None:
        stop(f"There is no key {key_id!r}.", hint="`surety keys list` shows what there is.")
    console.print(f"Key {key.id} of {key.owner} opens nothing any more.")


@contextmanager
def _keyring() -> Iterator[Keyring]:
    """The keys of the running service; where our own server does not run, it is started for this moment."""
    settings = Settings()
    server = RedisServer(settings)
    keyring = Keyring(settings.model_copy(update={"redis_url": server.url}))
    try:
        if settings.redis_url is None and not _answers(keyring):
            server.start()
        yield keyring
    except (ServerError, StoreUnavailable) as error:
        stop(str(error))
    finally:
        keyring.close()
        server.stop()


def _answers(keyring: Keyring) -> bool:
    try:
        keyring.usable()
    except StoreUnavailable:
        return False
    return True
