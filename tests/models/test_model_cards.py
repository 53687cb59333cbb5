"""The cards: what is read, and what a wrong one is told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.cards import load_cards, shipped
from worker.contract.errors import ModelUnusable

Write = Callable[..., Path]


def test_shipped_cards_state_their_accuracy_under_noise() -> None:
    entries = load_cards(shipped())
    assert set(entries) == {"digits", "pneumonia"}
    for entry in entries.values():
        assert entry.weights.is_file()
        assert (entry.path.parent / "README.md").is_file()
        stated = {(row.split, row.sigma) for row in entry.card.accuracy}
        assert stated == {(split, sigma) for split in ("validation", "test") for sigma in (0.0, 0.1, 0.15, 0.25)}
        assert "Research" in entry.card.intended_use


def test_cards_need_no_torch() -> None:
    code = "import sys, models.cards as c; c.load_cards(c.shipped()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_cards_are_found_in_a_directory_and_its_folders(write: Write, tmp_path: Path) -> None:
    write()
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "card.yaml").write_text("a hidden copy")
    (entry,) = load_cards(tmp_path).values()
    assert entry.weights == tmp_path / "small" / "w.safetensors"
    assert load_cards(tmp_path / "small") == {"small": entry}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"sha256": None}, "sha256: Field required"),
        ({"sha256": "0" * 63}, "sha256: String should match"),
        ({"name": "Not A Name"}, "name: String should match"),
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"classes": ["one"]}, "classes: "),
        ({"input": {"channels": 1, "height": 8, "width": 8, "mean": [0.5], "std": [0.0]}}, "input.std.0: "),
        ({"input": {"channels": 3, "height": 8, "width": 8, "mean": [0.5], "std": [0.5]}}, "input.mean must have"),
        ({"weights": "../w.safetensors"}, "inside the card's folder"),
        ({"weights": "/tmp/w.safetensors"}, "inside the card's folder"),
        ({"weights": "w.pt"}, "must be a .safetensors file"),
    ],
)
def test_a_wrong_field_is_named(write: Write, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelUnusable, match=r"card\.yaml") as caught:
        load_cards(write(**fields))
    assert told in caught.value.detail


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", "", "\x00"])
def test_a_file_that_is_no_card_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ModelUnusable, match=r"bad\.yaml"):
        load_cards(tmp_path)


def test_two_cards_of_one_name_are_refused(write: Write) -> None:
    write(folder="first")
    with pytest.raises(ModelUnusable, match="both named 'small'"):
        load_cards(write(folder="second"))


def test_a_missing_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="no directory"):
        load_cards(tmp_path / "nowhere")
