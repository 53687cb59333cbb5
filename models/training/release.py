"""From a plan and data to a released model: weights, YAML card and README, all from one run."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml
from safetensors.torch import save

from models.networks import NETWORKS, Normalised
from models.training.data import Splits
from models.training.loop import Recipe, fit
from models.training.measure import SEED, Measured, measure_all
from worker.contract.model import ModelCard, ModelInput


@dataclass(frozen=True)
class Plan:
    """All that is decided about a model before it is trained. `story` is the README's text, in Markdown."""

    name: str
    title: str
    architecture: str
    classes: tuple[str, ...]
    licence: str
    source: str
    intended_use: str
    story: str
    recipe: Recipe
    cam_layer: str | None = None
    batch: int = 64


def arguments(plan: Plan, folder: Path) -> argparse.ArgumentParser:
    """The command line that every training script has."""
    parser = argparse.ArgumentParser(description=f"Train, measure and write the model '{plan.name}'.")
    parser.add_argument(
        "--out", type=Path, default=folder, help="folder of the model's files (default: this package's)"
    )
    parser.add_argument("--force", action="store_true", help="replace the model's files if they exist")
    parser.add_argument("--epochs", type=int, default=plan.recipe.epochs, help="length of the training (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads; other counts give other last digits")
    return parser


def release(plan: Plan, splits: Splits, options: argparse.Namespace) -> ModelCard:
    """Trains, measures and writes `<name>.safetensors`, `<name>.yaml` and `README.md` into the folder `options.out`.

    Raises:
        SystemExit: one of these files exists and `--force` was not given; nothing has been computed then.
    """
    weights, card_file, readme = (
        options.out / f for f in (f"{plan.name}.safetensors", f"{plan.name}.yaml", "README.md")
    )
    existing = [file.name for file in (weights, card_file, readme) if file.exists()]
    if existing and not options.force:
        raise SystemExit(f"{options.out} already holds {', '.join(existing)}: choose another --out, or give --force.")
    torch.set_num_threads(options.threads)
    torch.manual_seed(plan.recipe.seed)
    std, mean = torch.std_mean(splits.train.images)
    _, channels, height, width = splits.train.images.shape
    form = ModelInput(
        channels=channels, height=height, width=width, mean=(round(float(mean), 4),), std=(round(float(std), 4),)
    )
    network = NETWORKS[plan.architecture](len(plan.classes), channels)
    model = Normalised(network, form.mean, form.std)
    recipe = replace(plan.recipe, epochs=options.epochs)
    epoch = fit(model, splits, recipe)
    measured = measure_all(model, splits)

    options.out.mkdir(parents=True, exist_ok=True)
    about = {"model": plan.name, "architecture": plan.architecture, "seed": recipe.seed, "epoch": epoch}
    content = save(network.state_dict(), metadata={"surety": json.dumps(about)})
    weights.write_bytes(content)
    card = ModelCard(
        name=plan.name,
        title=plan.title,
        architecture=plan.architecture,
        weights=weights.name,
        sha256=hashlib.sha256(content).hexdigest(),
        input=form,
        classes=plan.classes,
        licence=plan.licence,
        source=plan.source,
        intended_use=plan.intended_use,
        accuracy=tuple(row.entry() for row in measured),
        cam_layer=plan.cam_layer,
        batch=plan.batch,
    )
    fields = card.model_dump(mode="json", exclude_none=True)
    card_file.write_text(yaml.safe_dump(fields, sort_keys=False, default_flow_style=None, width=120), encoding="utf-8")
    parameters = sum(part.numel() for part in network.parameters())
    facts = f"{parameters:,} parameters; trained with seed {recipe.seed}, best validation loss in epoch {epoch}."
    readme.write_text(
        f"# {plan.title}\n\n{plan.story.strip()}\n\n{table(plan, measured)}\n\n{facts}\n", encoding="utf-8"
    )
    sys.stdout.write(table(plan, measured) + "\n")
    return card


def table(plan: Plan, measured: Sequence[Measured]) -> str:
    """The README's section of measured numbers, in Markdown, in percent."""
    draws = max(row.draws for row in measured)
    text = (
        "Share of images classified correctly, in percent, when Gaussian noise of standard deviation sigma "
        "([0,1] pixels, not clipped) is added; beside it the share of each class's own images (its recall). "
        f"Under noise each image is drawn {draws} times (seed {SEED}) and all draws count."
    )
    lines = ["## Measured accuracy", "", text, ""]
    lines.append("| split | images | sigma | accuracy | " + " | ".join(plan.classes) + " |")
    lines.append("|---|---|---|---|" + "---|" * len(plan.classes))
    for row in measured:
        shares = " | ".join(f"{100 * share:.1f}" for share in (row.accuracy, *row.recall))
        lines.append(f"| {row.split} | {row.images} | {row.sigma} | {shares} |")
    return "\n".join(lines)
