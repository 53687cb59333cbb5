"""Trains the shipped pneumonia model: `python -m models.training.pneumonia --data <PneumoniaMNIST npz> --force`.

The data are not part of Surety: the file is MedMNIST v2's `pneumoniamnist.npz` (28 x 28 pixels) or one with its keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.cards import shipped
from models.training.data import Split, Splits
from models.training.loop import Recipe
from models.training.release import Plan, arguments, release

PLAN = Plan(
    name="pneumonia",
    title="Pneumonia on children's chest X-rays, 28 x 28 pixels",
    architecture="surety/six_conv",
    classes=("normal", "pneumonia"),
    licence="Weights Apache-2.0; training data CC BY 4.0 (Kermany et al. 2018; MedMNIST v2, Yang et al. 2023)",
    source="PneumoniaMNIST of MedMNIST v2, doi:10.5281/zenodo.6496656, "
    "from Kermany et al. 2018, doi:10.17632/rscbjbr9sj.2",
    intended_use="Research on explanations only. Not a medical device; "
    "not for diagnosis, triage or any care of patients.",
    recipe=Recipe(epochs=28, seed=0, batch=128, balance=True, patience=15),
    story="""
A network of six convolutions that tells normal chest X-rays from ones with pneumonia, also under noise, at 28 x 28
pixels. It is here so that certified explanations can be tried on real radiographs without a GPU.

**Not a medical device.** Research on explanations only; not for diagnosis, triage or any care of patients.

## Data

PneumoniaMNIST of MedMNIST v2 (J. Yang et al., Scientific Data 10, 2023, doi:10.1038/s41597-022-01721-8), 28 x 28 grey
pixels, made from the chest X-rays of children of one to five years at the Guangzhou Women and Children's Medical
Center (D. Kermany et al., Cell 172, 2018; data doi:10.17632/rscbjbr9sj.2). The splits are the data set's own: 4,708
images for training (1,214 normal, 3,494 pneumonia), 524 for validation, which chose the weights, and for the test,
which chose nothing, 312 images (116 normal, 196 pneumonia): a random half of the official test set of 624. The images
are not part of Surety.

## Training

    python -m models.training.pneumonia --data <PneumoniaMNIST npz> --force

Every training image gets Gaussian noise of its own standard deviation, uniform between 0 and 0.3, in each epoch. Both
classes weigh the same in the loss, although there are three times as many images of pneumonia. Shifting the images by
up to two pixels, mirroring them, and softplus in place of ReLU were tried in runs of ten epochs and left out: on
validation they did not help.

## Reading the table

The share of pneumonia images classified as pneumonia is the sensitivity; that of normal images classified as normal is
the specificity.

## Limits

* The test set differs from training and validation: the network calls more than a quarter of its normal images
  pneumonia. Validation alone would promise too much; expect less again at another hospital or with another machine.
* At 28 x 28 pixels most of what a radiologist looks for is gone. It is unknown what the network relies on.
* Children of one to five years at one hospital; nothing is known about anybody else. Bacterial and viral pneumonia are
  one class, and every other illness counts as one of the two answers.
* A certificate speaks about the explanation of this network's answer, not about the answer being right.

## Licence

The weights are under Apache-2.0, like Surety. The data are under CC BY 4.0, by the authors above.
""",
)


def splits(file: Path) -> Splits:
    """The file's own three splits. Raises SystemExit, saying what is wrong, for a file without MedMNIST's arrays."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            train, validation, test = (
                Split.from_bytes(arrays[f"{name}_images"], arrays[f"{name}_labels"].ravel())
                for name in ("train", "val", "test")
            )
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(
            f"{file} is not a PneumoniaMNIST npz ({error}): give MedMNIST v2's pneumoniamnist.npz."
        ) from error
    return Splits(train, validation, test)


def main(words: Sequence[str] | None = None) -> None:
    """The command line; `words` stand in for the process's own in tests."""
    parser = arguments(PLAN, shipped() / PLAN.name)
    parser.add_argument("--data", type=Path, required=True, help="PneumoniaMNIST npz (MedMNIST v2, 28 x 28 pixels)")
    options = parser.parse_args(words)
    release(PLAN, splits(options.data), options)


if __name__ == "__main__":
    main()
