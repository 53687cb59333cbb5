"""Every attribution on the models that come with the service, and the card's choice of Grad-CAM's layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.cards import Entry, load_cards, shipped
from models.registry import Registry, load
from worker.contract.errors import ModelUnusable
from worker.contract.spec import Method
from worker.core.attributions import ATTRIBUTIONS

CARDS = load_cards(shipped())


def attribute(name: str, model: torch.nn.Module, images: Tensor, **params: object) -> Tensor:
    method = ATTRIBUTIONS.build(Method.model_validate({"name": name, **params}), "/spec/attribution")
    return method(model, images, None, np.random.default_rng(0)).values


@pytest.mark.parametrize("model", sorted(CARDS))
@pytest.mark.parametrize("name", sorted(ATTRIBUTIONS.entries))
def test_every_attribution_runs_on_every_shipped_model(name: str, model: str) -> None:
    card = CARDS[model].card.input
    generator = torch.Generator().manual_seed(1)
    images = torch.rand((2, card.channels, card.height, card.width), generator=generator)
    values = attribute(name, Registry([shipped()]).get(model), images)
    assert bool(values.isfinite().all())


def test_the_cards_layer_is_the_one_grad_cam_looks_at() -> None:
    entry, images = CARDS["digits"], torch.rand((3, 1, 8, 8), generator=torch.Generator().manual_seed(1))
    chosen = load(Entry(entry.card.model_copy(update={"cam_layer": "11"}), entry.path))
    silent = load(Entry(entry.card.model_copy(update={"cam_layer": None}), entry.path))
    assert torch.equal(attribute("grad_cam", chosen, images), attribute("grad_cam", silent, images, layer="11"))
    assert torch.equal(attribute("grad_cam", silent, images), attribute("grad_cam", chosen, images, layer="13"))
    assert chosen.state_dict().keys() == silent.state_dict().keys()


def test_a_card_with_a_layer_that_does_not_exist_is_refused() -> None:
    entry = CARDS["digits"]
    with pytest.raises(ModelUnusable, match="has no module 'layer4'"):
        load(Entry(entry.card.model_copy(update={"cam_layer": "layer4"}), entry.path))
