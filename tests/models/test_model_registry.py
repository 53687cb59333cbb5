"""From cards to networks: what is guaranteed of a loaded one, and which files are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from models.cards import load_cards, shipped
from models.networks import NETWORKS, Normalised
from models.registry import Registry, load
from worker.contract.errors import ModelUnusable, UnknownModel

Write = Callable[..., Path]


def small_state() -> dict[str, torch.Tensor]:
    return dict(NETWORKS["surety/four_conv"](2, 1).state_dict())


def refusal(directory: Path) -> str:
    with pytest.raises(ModelUnusable) as caught:
        load(load_cards(directory)["small"], "cpu")
    assert str(directory) not in caught.value.detail, "a client must not learn the server's paths"
    return caught.value.detail


@pytest.mark.parametrize("name", ["digits", "pneumonia"])
def test_a_shipped_model_is_frozen_and_gives_one_logit_per_class(name: str) -> None:
    registry = Registry([shipped()])
    card, model = registry.cards[name], registry.get(name, "cpu")
    assert not any(part.training for part in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    pixels = torch.rand(3, card.input.channels, card.input.height, card.input.width, requires_grad=True)
    logits = model(pixels)
    assert logits.shape == (3, len(card.classes))
    assert logits.sum().backward() is None
    assert pixels.grad is not None
    assert bool(pixels.grad.any())
    assert registry.get(name, torch.device("cpu")) is model


def test_an_image_s_logits_do_not_depend_on_its_batch() -> None:
    model, pixels = Registry([shipped()]).get("digits"), torch.rand(5, 1, 8, 8)
    torch.testing.assert_close(model(pixels)[2:3], model(pixels[2:3]))


def test_normalisation_is_inside_the_model() -> None:
    model = Normalised(nn.Identity(), mean=[0.5, 0.25], std=[0.5, 0.125])
    pixels = torch.tensor([1.0, 0.5]).view(1, 2, 1, 1)
    assert model(pixels).flatten().tolist() == [1.0, 2.0]
    assert not model.state_dict()


def test_an_unknown_model_is_told_the_known_ones(write: Write) -> None:
    with pytest.raises(UnknownModel, match="Known models: digits, pneumonia, small") as caught:
        Registry([shipped(), write()]).get("digit")
    assert caught.value.pointer == "/spec/model"


def test_other_weights_than_the_card_s_are_refused(write: Write) -> None:
    assert "sha256" in refusal(write(sha256="0" * 64))


def test_missing_weights_are_refused(write: Write) -> None:
    directory = write()
    (directory / "small" / "w.safetensors").unlink()
    assert "w.safetensors cannot be read (No such file" in refusal(directory)


def test_a_file_that_is_not_safetensors_is_refused(write: Write) -> None:
    assert "w.safetensors cannot be read" in refusal(write(b"\x80\x04K\x01. a pickle"))


def test_tensors_that_do_not_fit_are_refused(write: Write) -> None:
    state = small_state()
    assert "0.weight is missing" in refusal(write({k: v for k, v in state.items() if k != "0.weight"}))
    assert "extra is not part" in refusal(write(state | {"extra": torch.zeros(1)}))
    assert "0.weight has shape [1], not [32, 1, 3, 3]" in refusal(write(state | {"0.weight": torch.zeros(1)}))
    assert "0.weight is torch.int64" in refusal(write(state | {"0.weight": state["0.weight"].long()}))
    assert "0.weight holds numbers" in refusal(write(state | {"0.weight": state["0.weight"] * torch.nan}))
    assert "and 17 more" in refusal(write({"extra": torch.zeros(1)} | {k: state[k] for k in list(state)[21:]}))


def test_classes_input_and_architecture_must_fit(write: Write) -> None:
    assert "has shape [2], not [3]" in refusal(write(classes=["a", "b", "c"]))
    assert "cannot take input [1, 1, 1, 1]" in refusal(
        write(input={"channels": 1, "height": 1, "width": 1, "mean": [0.5], "std": [0.5]})
    )
    assert "surety/six_conv" in refusal(write(architecture="surety/none"))
    assert "no classification network 'no_net'" in refusal(write(architecture="no_net"))
    assert "no classification network" in refusal(write(architecture="fasterrcnn_resnet50_fpn"))
