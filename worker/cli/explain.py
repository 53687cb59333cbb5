"""surety explain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from worker.cli import report
from worker.cli.client import Client, Refused, Unreachable
from worker.cli.console import progress_bar, stop
from worker.cli.serve import ADDRESS
from worker.contract.errors import SuretyError
from worker.contract.settings import Settings
from worker.contract.spec import ExplanationSpec

Image = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="PNG, JPEG, TIFF, WebP or DICOM")
]
Radii = Annotated[list[float] | None, typer.Option("--radius", help="l2 radius in [0,1] pixel units; may be repeated")]


def explain(
    image: Image,
    model: Annotated[str | None, typer.Option(help="a name that `surety models` lists")] = None,
    sigma: Annotated[float | None, typer.Option(help="noise, standard deviation in [0,1] pixel units")] = None,
    samples: Annotated[int | None, typer.Option(help="noisy copies; more certify more and take longer")] = None,
    radius: Radii = None,
    k: Annotated[float, typer.Option(help="share of the cells that counts as most salient")] = 0.2,
    plan: Annotated[float | None, typer.Option(help="radius to plan for: pilot samples choose noise and cells")] = None,
    budget: Annotated[int, typer.Option(help="with --plan: all passes, those of the pilot included")] = 4096,
    at_least: Annotated[float | None, typer.Option(help="with --plan: the least noise that reaches this value")] = None,
    frame: Annotated[int | None, typer.Option(help="of a multi-frame DICOM file, counted from 1")] = None,
    spec: Annotated[Path | None, typer.Option(help="a whole spec as a JSON file; the options above win")] = None,
    out: Annotated[Path, typer.Option(help="folder for pictures and certificate")] = Path("out"),
    url: Annotated[
        str | None, typer.Option(envvar="SURETY_URL", help="the service; default: the one `surety serve` runs")
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="compute here, without a service")] = False,
) -> None:
    """Explain an image, and prove how much of the explanation survives every small change of it."""
    wanted = _spec(spec, model, sigma, samples, radius, k)
    if plan is not None:
        wanted["plan"] = {"radius": plan, "budget": budget, "at_least": at_least}
    if frame is not None:
        wanted["frame"] = frame
    try:
        if local:
            _here(image, wanted, out)
        else:
            remote(service_url(url), image, wanted, out, Settings().api_key)
    except (Refused, SuretyError) as error:
        pointer = getattr(error, "pointer", "") or ""
        stop(f"{error}", hint=f"at {pointer}" if pointer else "")
    except Unreachable as error:
        stop(str(error), hint="Start one with `surety serve`, or add --local.")


def remote(url: str, image: Path, spec: dict[str, Any], out: Path, key: str | None = None) -> None:
    """Post the image, follow the job with a bar, show and save the result. Raises Refused, Unreachable."""
    with Client(url, key) as client, progress_bar() as bar:
        job = client.submit(image, spec)
        row = bar.add_task(f"job {job.id[:8]} {job.state}", total=job.progress.total or None)
        for news in client.follow(job):
            done, total = news.progress.done, news.progress.total
            bar.update(row, completed=done, total=total, description=f"job {job.id[:8]} {news.state}")
        bar.stop()
        result = client.result(job)
        report.show(result)
        report.save({name: client.artifact(job, name) for name in result.artifacts}, out)


def _here(image: Path, document: dict[str, Any], out: Path) -> None:
    from models.cards import shipped  # torch takes seconds to import, and only this branch computes
    from models.registry import Registry
    from worker.service.explainer import Explainer
    from worker.service.signing import SigningKeyError

    settings = Settings()
    try:
        spec = ExplanationSpec.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        stop(f"{first['msg']}", hint=f"at /spec/{'/'.join(map(str, first['loc']))}")
    registry = Registry([shipped(), *([settings.models_dir] if settings.models_dir else [])])
    try:
        explainer = Explainer(settings, registry)
    except SigningKeyError as error:
        stop(str(error))
    with progress_bar() as bar:
        row = bar.add_task("sampling", total=spec.at_most)
        explained = explainer.explain(image.read_bytes(), spec, None, lambda done, _: bar.update(row, completed=done))
    report.show(explained.explanation)
    report.save(explained.artifacts, out)


def _spec(
    file: Path | None, model: str | None, sigma: float | None, samples: int | None, radius: list[float] | None, k: float
) -> dict[str, Any]:
    spec = read_spec(file)
    if model is not None:
        spec["model"] = model
    if sigma is not None:
        spec["noise"] = {"name": "gaussian", "sigma": sigma}
    if samples is not None:
        spec["samples"] = samples
    if radius or "certificates" not in spec:
        spec["certificates"] = [{"name": "topk_overlap", "k": k, "radii": radius or [0.01, 0.03, 0.1]}]
    return spec


def read_spec(file: Path | None) -> dict[str, Any]:
    """The spec in a JSON file, an empty one without; ends the command if it cannot be read."""
    try:
        found = json.loads(file.read_text()) if file else {}
    except (OSError, ValueError) as error:
        stop(f"{file} is not a JSON file that can be read: {error}")
    if not isinstance(found, dict):
        stop(f"{file} is not a JSON object.")
    return found


def service_url(url: str | None) -> str:
    """This one, else that of the service that `surety serve` runs; ends the command if there is none."""
    written = Settings().state_dir / ADDRESS
    if url or written.is_file():
        return url or written.read_text().strip()
    return stop("No running service was found.", hint="Start `surety serve`, name one with --url, or add --local.")
