"""A study: units of work that are kept as they finish, and a report drawn from all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from worker.service.provenance import code_digest, library_versions, service_version

REPOSITORY = Path(__file__).parent.parent.parent
SHARED = REPOSITORY.parent / "shared"

# Kept with every unit: the digest of the code that computed it, which need not be the one that reports.
MADE_WITH = "made_with"

Arrays = Mapping[str, ndarray]
Done = Mapping[str, Arrays]


class Report(NamedTuple):
    """What a study found: numbers for programs, text (Markdown) and a plot for people."""

    numbers: dict[str, Any]
    text: str
    plot: Figure


@dataclass(frozen=True)
class Study:
    """`units` by name, each a function of nothing that is random: what it returns depends on its name and `settings`
    only, so that a run that was interrupted goes on where it stopped. `settings` are the sizes and the seed; units
    computed with others are not used."""

    name: str
    settings: dict[str, Any]
    units: Mapping[str, Callable[[], Arrays]]
    report: Callable[[Done], Report]


class Missing(Exception):
    """An input that is no part of the project is not there; the text says which."""


def shared(name: str) -> Path:
    """A file or folder of the real inputs beside the repository. Raises Missing."""
    if not (SHARED / name).exists():
        raise Missing(f"shared/{name} is not beside the repository; without it this study cannot be made.")
    return SHARED / name


def run(study: Study, state: Path, out: Path) -> Report:
    """Compute the units that `state` does not hold yet, then write `<name>.json`, `.md` and `.png` into `out`."""
    folder = _folder(study, state)
    done: dict[str, Arrays] = {}
    codes: set[str] = set()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task(study.name, total=len(study.units))
        for name, compute in study.units.items():
            file = folder / f"{name}.npz"
            if not file.exists():
                progress.update(task, description=f"{study.name}: {name}")
                _keep(file, {**compute(), MADE_WITH: np.array(code_digest())})
            done[name], code = kept(file)
            codes.add(code)
            progress.advance(task)
    report = study.report(done)
    _write(study, report, sorted(codes), out)
    return report


def _folder(study: Study, state: Path) -> Path:
    """Where units of these very settings are kept."""
    folder, settings = state / study.name, json.dumps(study.settings, sort_keys=True)
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "settings.json"
    if note.exists() and note.read_text(encoding="utf-8") != settings:
        for file in folder.glob("*.npz"):
            file.unlink()
    note.write_text(settings, encoding="utf-8")
    return folder


def kept(file: Path) -> tuple[Arrays, str]:
    """A unit as it was computed, and the digest of the code that computed it."""
    with np.load(file, allow_pickle=False) as found:
        arrays = dict(found)
    code = arrays.pop(MADE_WITH, None)
    return arrays, "not recorded" if code is None else str(code)


def _keep(file: Path, arrays: Arrays) -> None:
    part = file.with_suffix(".part.npz")
    np.savez_compressed(part, allow_pickle=False, **arrays)
    part.replace(file)


def _write(study: Study, report: Report, codes: list[str], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    made = {"service_version": service_version(), "code_digests": codes, "libraries": library_versions()}
    document = {"study": study.name, "settings": study.settings, "made_with": made, **report.numbers}
    (out / f"{study.name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (out / f"{study.name}.md").write_text(report.text.rstrip() + "\n", encoding="utf-8")
    report.plot.savefig(out / f"{study.name}.png", dpi=120, bbox_inches="tight", metadata={"Software": None})


def table(header: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table; numbers with up to three decimals."""

    def cell(value: Any) -> str:
        return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)

    lines = [header, ["---"] * len(header), *([cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
