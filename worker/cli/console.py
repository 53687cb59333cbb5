"""How the command line speaks: one console, one way to stop with an error."""

from __future__ import annotations

from typing import NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

console = Console(highlight=False)


def stop(message: str, *, hint: str = "", status: int = 1) -> NoReturn:
    """Print what went wrong and what to do, and end with this status."""
    errors = Console(stderr=True, highlight=False)
    errors.print(f"[bold red]surety:[/] {message}", soft_wrap=True)
    if hint:
        errors.print(f"  {hint}", soft_wrap=True)
    raise typer.Exit(status)


def progress_bar() -> Progress:
    """A bar with percent and remaining time."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console
    )
