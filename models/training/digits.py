"""Trains the shipped digits model: `python -m models.training.digits --force`. Takes about a minute.

The data come with scikit-learn (`pip install 'surety[training]'`); nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # scikit-learn ships no types
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]  # scikit-learn ships no types

from models.cards import shipped
from models.training.data import Split, Splits
from models.training.loop import Recipe
from models.training.release import Plan, arguments, release

SPLIT_SEED = 0
SAMPLES_PER_CLASS = 2

PLAN = Plan(
    name="digits",
    title="Handwritten digits, 8 x 8 pixels",
    architecture="surety/four_conv",
    classes=tuple("0123456789"),
    licence="Weights Apache-2.0; training data CC BY 4.0 (Alpaydin & Kaynak 1998)",
    source="Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, doi:10.24432/C50P49; "
    "the 1,797 images that come with scikit-learn",
    intended_use="Demonstration and tests. Research use only; not for reading digits that matter to anybody.",
    recipe=Recipe(epochs=100, seed=0, patience=40),
    # The last maps go flattened into the head, which weighs each place apart; their averages may all be negative.
    cam_layer="11",
    story="""
A network of four convolutions that tells the ten digits apart, also under noise. It is small enough that a certified
explanation takes seconds without a GPU, which is what it is for: the demonstration and the tests.

## Data

The 1,797 digits that come with scikit-learn: the test part of *Optical Recognition of Handwritten Digits* in the UCI
Machine Learning Repository (E. Alpaydin and C. Kaynak, 1998, doi:10.24432/C50P49). Each image is 8 x 8 pixels with
values 0 to 16, the counts of dark pixels in 4 x 4 squares of a scan. A value v is stored as round(255 v / 16), as an
8-bit picture would hold it, and divided by 255. A stratified split fixed by a seed gives 60 % to training, 20 % to
validation, which chose the weights, and 20 % to the test, which chose nothing.

`samples/` holds the first two test images of each digit as PNG files, whether the network reads them correctly or not.

## Training

    python -m models.training.digits --force

Every training image gets Gaussian noise of its own standard deviation, uniform between 0 and 0.3, in each epoch.

## Limits

It knows centred single digits, prepared as that set was, and always answers with one of the ten: a photograph of a
digit, a letter or an empty page gets an answer too. All images are from 13 writers, and the split does not keep
writers apart, so that the network may do worse on a new writer than the test says. Not for any decision about people
or money.

## Licence

The weights are under Apache-2.0, like Surety. The data and the pictures in `samples/` are under CC BY 4.0, by
E. Alpaydin and C. Kaynak; the pictures were changed from 17 to 256 grey values.
""",
)


def split_rows() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The rows of scikit-learn's digits that are for training, validation and test: 60, 20 and 20 %, stratified."""
    labels = load_digits().target
    train, held_out = train_test_split(np.arange(len(labels)), test_size=0.4, stratify=labels, random_state=SPLIT_SEED)
    validation, test = train_test_split(held_out, test_size=0.5, stratify=labels[held_out], random_state=SPLIT_SEED)
    return train, validation, test


def pictures() -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """All digits as uint8 [1797, 8, 8], white on black, and their labels [1797]."""
    digits = load_digits()
    return np.rint(digits.images * 255 / 16).astype(np.uint8), digits.target


def splits() -> Splits:
    """The three splits, the same on every machine."""
    images, labels = pictures()
    return Splits(*(Split.from_bytes(images[rows], labels[rows]) for rows in split_rows()))


def sample_rows() -> dict[str, int]:
    """File name to row of scikit-learn's digits: the first test images of each class, in the order of the split."""
    labels, test = load_digits().target, split_rows()[2]
    return {
        f"digit-{label}-{index}.png": int(row)
        for label in range(10)
        for index, row in enumerate(test[labels[test] == label][:SAMPLES_PER_CLASS])
    }


def write_samples(folder: Path) -> None:
    """Writes the sample pictures, 8-bit grey PNG of 8 x 8 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    images, _ = pictures()
    for name, row in sample_rows().items():
        Image.fromarray(images[row]).save(folder / name)


def main(words: Sequence[str] | None = None) -> None:
    """The command line; `words` stand in for the process's own in tests."""
    options = arguments(PLAN, shipped() / PLAN.name).parse_args(words)
    release(PLAN, splits(), options)
    write_samples(options.out / "samples")


if __name__ == "__main__":
    main()
