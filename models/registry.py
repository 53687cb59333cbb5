"""From a card to a network that can be explained: checked, normalising, frozen, in eval mode."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models import vision
from models.cards import Entry, load_cards
from models.folding import fold, lay_out
from models.networks import NETWORKS, PREFIX, Normalised
from worker.contract.errors import ModelUnusable, UnknownModel
from worker.contract.model import ModelCard


class Registry:
    """The models of some directories. Each is loaded once per process and device, at its first use."""

    def __init__(self, directories: Iterable[Path]) -> None:
        """Reads the cards of `directories`, not the weights. Raises ModelUnusable like `load_cards`."""
        self._entries = load_cards(*directories)
        self._loaded: dict[tuple[str, str], nn.Module] = {}

    @property
    def cards(self) -> Mapping[str, ModelCard]:
        """All cards by model name, in the order of the directories."""
        return MappingProxyType({name: entry.card for name, entry in self._entries.items()})

    def get(self, name: str, device: torch.device | str = "cpu") -> nn.Module:
        """The network of this name, as `load` gives it; the same object at every call.

        Raises:
            UnknownModel: no card has this name; the text lists the known names.
            ModelUnusable: see `load`.
        """
        entry = self._entries.get(name)
        if entry is None:
            known = ", ".join(sorted(self._entries)) or "none"
            raise UnknownModel(f"There is no model '{name}'. Known models: {known}.", pointer="/spec/model")
        key = (name, str(torch.device(device)))
        if key not in self._loaded:
            self._loaded[key] = load(entry, device)
        return self._loaded[key]


def load(entry: Entry, device: torch.device | str = "cpu") -> nn.Module:
    """The network of a card, with exactly the weights that the card's sha256 names.

    It takes [0,1] pixels float32 [batch, channels, height, width], normalises them inside, and gives logits
    [batch, classes]. It is in eval mode, none of its parameters asks for gradients, no activation module works in
    place, and batch norms are folded into their convolutions. Weights are read from safetensors only: nothing in the
    file can run.

    Raises:
        ModelUnusable: the file is missing, damaged or not the one of the sha256; the architecture does not exist; a
            tensor is missing, unknown, of another shape or kind, or not finite; the card's cam_layer does not exist;
            or the network does not turn the card's input into one finite logit per class.
    """
    card = entry.card
    network = _build(card)
    network.load_state_dict(_weights(entry, network.state_dict()))
    _work_out_of_place(network)
    model = Normalised(network, card.input.mean, card.input.std).eval()
    fold(model)
    model.requires_grad_(False)
    _name_cam_layer(model, card)
    _check_output(model, card)
    # Convolutions are fastest with the channels of a pixel side by side, and their weights set the way.
    lay_out(model)
    return model.to(device)


def _build(card: ModelCard) -> nn.Module:
    if not card.architecture.startswith(PREFIX):
        return vision.build(card.architecture, len(card.classes), card.input.channels)
    if card.architecture not in NETWORKS:
        raise ModelUnusable(
            f"Model '{card.name}' names the architecture '{card.architecture}'. Surety's own are "
            f"{', '.join(NETWORKS)}; a name without '{PREFIX}' is one of torchvision's."
        )
    return NETWORKS[card.architecture](len(card.classes), card.input.channels)


def _weights(entry: Entry, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the card's file, checked against the sha256 and against the network's own state."""
    name, file = entry.card.name, entry.weights.name
    try:
        with entry.weights.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != entry.card.sha256:
            raise ModelUnusable(
                f"Model '{name}': {file} has sha256 {digest}, its card says {entry.card.sha256}. "
                "Fetch the file again, or correct the card if the new weights are meant."
            )
        tensors = load_file(entry.weights, device="cpu")
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelUnusable(f"Model '{name}': {file} cannot be read ({reason}). Fetch the file again.") from error
    faults = [f"{key} is missing" for key in expected if key not in tensors]
    faults += [f"{key} is not part of the network" for key in tensors if key not in expected]
    for key in expected.keys() & tensors.keys():
        wanted, found = expected[key], tensors[key]
        if found.shape != wanted.shape:
            faults.append(f"{key} has shape {list(found.shape)}, not {list(wanted.shape)}")
        elif found.is_floating_point() != wanted.is_floating_point():
            faults.append(f"{key} is {found.dtype}, not {wanted.dtype}")
        elif not bool(found.isfinite().all()):
            faults.append(f"{key} holds numbers that are not finite")
    if faults:
        shown = "; ".join(sorted(faults)[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise ModelUnusable(
            f"Model '{name}': {file} does not fit the architecture {entry.card.architecture}: {shown}. "
            "Correct architecture, classes or channels of the card, or take other weights."
        )
    return tensors


def _work_out_of_place(network: nn.Module) -> None:
    """An activation that works in place overwrites the input that a hook or a replaced backward pass is to see."""
    for part in network.modules():
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # type: ignore[assignment]  # a plain attribute, which Module's types do not foresee


def _name_cam_layer(model: Normalised, card: ModelCard) -> None:
    """Tell the core, as the plain attribute `cam_layer`, which module Grad-CAM looks at, if the card names one."""
    if card.cam_layer is None:
        return
    if card.cam_layer not in dict(model.network.named_modules()):
        raise ModelUnusable(
            f"Model '{card.name}': {card.architecture} has no module '{card.cam_layer}'. Correct the card's cam_layer."
        )
    model.cam_layer = card.cam_layer  # type: ignore[assignment]  # a plain attribute, as above


@torch.no_grad()
def _check_output(model: nn.Module, card: ModelCard) -> None:
    size = (1, card.input.channels, card.input.height, card.input.width)
    try:
        logits = model(torch.zeros(size))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ModelUnusable(
            f"Model '{card.name}': {card.architecture} cannot take input {list(size)} ({error}). "
            "Correct the card's input."
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (1, len(card.classes)):
        raise ModelUnusable(
            f"Model '{card.name}': the output is not one logit for each of {len(card.classes)} classes."
        )
    if not bool(logits.isfinite().all()):
        raise ModelUnusable(f"Model '{card.name}': the logits of a black image are not finite. Take other weights.")
