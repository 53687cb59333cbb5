"""An explanation in words on the terminal, and its files in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from worker.cli.console import console
from worker.contract.result import Explanation, PlanReport


def show(explanation: Explanation) -> None:
    """The prediction, every certificate as sentences, and what they do not say."""
    prediction = explanation.prediction
    console.print(
        f"\n[bold]Prediction[/]  {escape(prediction.label)}, probability {prediction.probability:.4f} "
        f"(class {prediction.index} of model {explanation.provenance.model})"
    )
    if explanation.plan:
        _plan(explanation.plan)
    for certificate in explanation.certificates:
        console.print(f"\n[bold]{certificate.name}[/]  [dim]{certificate.guarantee}; {escape(certificate.source)}[/]")
        table = Table("l2 radius", "value", "outcome", box=None, padding=(0, 3, 0, 0), header_style="dim")
        for at in certificate.radii:
            counted = f"{at.certified} of {at.k}" if at.k else f"{at.value:.4f}"
            table.add_row(repr(at.rho), counted, at.outcome)
        console.print(Padding(table, (0, 0, 1, 2)))
        console.print(Padding(escape(certificate.statement), (0, 0, 0, 2)))
    if explanation.degenerate_samples:
        console.print(
            f"\n{explanation.degenerate_samples} of {explanation.samples} samples had no ranking and voted for nothing."
        )
    console.print(f"\n[dim]{escape(explanation.notice)}[/]")


def _plan(plan: PlanReport) -> None:
    """What was chosen, why, and what became of it."""
    chosen = plan.chosen
    methods = (chosen.attribution, chosen.granularity, chosen.map, chosen.noise, chosen.interval)
    said = ", ".join(
        " ".join([each.name, *(f"{name} {value}" for name, value in each.params.items())]) for each in methods
    )
    console.print(f"\n[bold]Plan[/]  {escape(said)}")
    console.print(f"  {plan.why}; {plan.pilot_samples} pilot samples, {plan.samples} fresh ones")
    reached = {True: ", reached", False: ", not reached", None: ""}[plan.reached]
    wanted = "" if plan.asked.at_least is None else f", wanted {plan.asked.at_least:g}"
    console.print(
        f"  {plan.certificate} within {plan.asked.radius!r}: predicted {chosen.predicted:.2f}, "
        f"fresh samples give {plan.value:.2f}{wanted}{reached}"
    )


def save(artifacts: Mapping[str, bytes], folder: Path) -> None:
    """Write the files and list them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in artifacts.items():
        (folder / name).write_bytes(data)
    console.print(f"\nWritten to {escape(str(folder))}/: {', '.join(sorted(artifacts))}", soft_wrap=True)
