"""surety models."""

from __future__ import annotations

from rich.table import Table

from worker.cli.console import console, stop
from worker.cli.stack import known_cards
from worker.contract.errors import ModelUnusable
from worker.contract.settings import Settings


def models() -> None:
    """List the models a worker on this machine offers."""
    try:
        cards = known_cards(Settings())
    except ModelUnusable as error:
        stop(error.detail)
    table = Table("model", "input", "classes", "accuracy on test, by sigma", "licence", "intended use")
    for card in cards:
        size = f"{card.input.channels}x{card.input.height}x{card.input.width}"
        classes = ", ".join(card.classes[:4]) + (f", ... ({len(card.classes)})" if len(card.classes) > 4 else "")
        measured = [f"{entry.sigma:g}: {entry.value:.3f}" for entry in card.accuracy if entry.split == "test"]
        table.add_row(card.name, size, classes, "\n".join(measured) or "not measured", card.licence, card.intended_use)
    console.print(table)
