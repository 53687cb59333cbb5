"""The model cards: YAML files beside their weights. No torch here: the API and the supervisor read them too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from worker.contract.errors import ModelUnusable
from worker.contract.model import ModelCard


@dataclass(frozen=True)
class Entry:
    """A model's card and the YAML file that it was read from."""

    card: ModelCard
    path: Path

    @property
    def weights(self) -> Path:
        """The file of the weights: in the card's folder or below it. It is not known to exist."""
        return self.path.parent / self.card.weights


def shipped() -> Path:
    """The directory of the models that come with Surety."""
    return Path(__file__).parent


def load_cards(*directories: Path) -> dict[str, Entry]:
    """All cards of these directories and of their direct sub-directories, by model name.

    Every `*.yaml` is a card; names that begin with a dot are passed over, because a mounted Kubernetes volume holds
    hidden copies. Nothing of the weights is read.

    Raises:
        ModelUnusable: a directory is missing, a file is not a card (see `read_card`), or two cards share a name.
    """
    entries: dict[str, Entry] = {}
    for directory in directories:
        if not directory.is_dir():
            raise ModelUnusable(f"There is no directory {directory}: create it, or correct SURETY_MODELS_DIR.")
        for path in sorted([*directory.glob("*.yaml"), *directory.glob("*/*.yaml")]):
            if any(part.startswith(".") for part in path.relative_to(directory).parts):
                continue
            entry = Entry(read_card(path), path)
            if twin := entries.get(entry.card.name):
                raise ModelUnusable(f"{twin.path} and {path} are both named '{entry.card.name}': rename one of them.")
            entries[entry.card.name] = entry
    return entries


def read_card(path: Path) -> ModelCard:
    """The card in one YAML file.

    Raises:
        ModelUnusable: the file cannot be read, is not YAML, or a field is missing, unknown or wrong. The text names
            the file, each field at fault, and what to do.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelUnusable(f"{path} cannot be read as YAML: {error}. Correct the file.") from error
    if not isinstance(content, dict):
        raise ModelUnusable(f"{path} is not a model card: it must be a mapping with name, title, weights and so on.")
    try:
        card = ModelCard.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ModelUnusable(f"{path} is not a valid model card. Correct {faults}.") from error
    _check_weights(card, path)
    for field in ("mean", "std"):
        if len(getattr(card.input, field)) != card.input.channels:
            raise ModelUnusable(f"{path}: input.{field} must have one number for each of input.channels.")
    return card


def _check_weights(card: ModelCard, path: Path) -> None:
    """The text is checked, not where links lead: a link in the folder is its owner's decision."""
    weights = Path(card.weights)
    if weights.is_absolute() or ".." in weights.parts:
        raise ModelUnusable(f"{path}: weights must be a path inside the card's folder, not '{card.weights}'.")
    if weights.suffix != ".safetensors":
        raise ModelUnusable(
            f"{path}: weights must be a .safetensors file, not '{card.weights}'. "
            "Other formats can run code when they are read; convert with safetensors.torch.save_file."
        )
