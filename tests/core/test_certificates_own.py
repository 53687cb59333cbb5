"""Certificates with a statistic and a share of alpha of their own: region mass, prediction, cosine from the norm ball.

Their promise is measured on models whose smoothed values are known in closed form at every move of the image.
"""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scipy.stats import binomtest, norm

from tests.core.evidence import by_hand, layout
from worker.contract.errors import InvalidSpec
from worker.core.bounds.base import Bounds
from worker.core.certificates.base import Radii
from worker.core.certificates.cosine_norm_ball import CosineNormBall, sampling_error
from worker.core.certificates.evidence import Evidence
from worker.core.certificates.prediction import Prediction, certified_radius
from worker.core.certificates.region import Region, cells_inside
from worker.core.certificates.region_mass import RegionMass, mean_share
from worker.core.certificates.wang_kong_2024_as_printed import WangKong2024AsPrinted, printed
from worker.core.granularities.patch import Patch
from worker.core.noises.gaussian import Gaussian, Params

SIGMA, Q, ALPHA, RHO, RUNS = 0.25, 120, 0.1, 0.1, 2000
NOISE = Gaussian(Params(sigma=SIGMA))
WHERE = layout(1, 2, 5)
HALF = RegionMass(RegionMass.Params(region=Region(box=(0, 0, 5, 1))))
PREDICTION = Prediction(Prediction.Params())


def evidence(cells: int, samples: int = Q, votes: np.ndarray | None = None, **more: Any) -> Evidence:
    votes = np.zeros(cells, dtype=np.int64) if votes is None else votes
    bounds = Bounds(np.zeros(cells), np.ones(cells), ALPHA, ALPHA, 0)
    return by_hand(votes, samples, bounds, NOISE, **more)


def reject(violations: int, runs: int = RUNS) -> bool:
    """Whether "violated with probability at most alpha" is refuted by an exact binomial test."""
    return bool(binomtest(violations, runs, ALPHA, alternative="greater").pvalue < 0.01)


# Prediction: the model answers with class 1 where z > b, for the noise's first element z.


def class_votes(z: np.ndarray, b: float) -> np.ndarray:
    logits = torch.from_numpy(np.stack([np.zeros_like(z), z - b], axis=1))
    return PREDICTION.tally(torch.zeros((len(z), 1), dtype=torch.bool), logits, layout(1, 1, 1))


def test_prediction_radius_exceeds_the_true_one_at_most_alpha_of_the_time() -> None:
    """The true radius for a half-space is its distance, sigma * Phi^-1(p)."""
    rng = np.random.default_rng(5)
    violations, plug_in, tight = 0, 0, []
    for _ in range(RUNS):
        p = rng.uniform(0.6, 0.95)
        distance = SIGMA * norm.ppf(p)
        own = class_votes(rng.normal(scale=SIGMA, size=Q), -distance)
        radius = certified_radius(evidence(1, tallies={"own": own}, target=1))
        violations += radius > distance
        plug_in += SIGMA * norm.ppf(own[1] / Q) > distance
        tight.append(max(0.0, radius) / distance)
    assert not reject(violations), violations
    assert violations > 0.4 * ALPHA * RUNS, "far smaller radii than needed would pass too"
    assert reject(plug_in), "without an interval the measurement must find the violations"
    print(
        f"prediction: {violations} violations in {RUNS}, plug-in {plug_in}; radius {np.mean(tight):.2f} of the true one"
    )


def test_prediction_says_its_radius_and_one_or_zero() -> None:
    own = np.array([3, 997, 0])
    found = Prediction(Prediction.Params(radii=(0.1, 2.0)))(evidence(4, 1000, tallies={"own": own}, target=1))
    assert [at.value for at in found.radii] == [1.0, 0.0]
    assert [at.outcome for at in found.radii] == ["certified", "vacuous"]
    assert found.largest_radius is not None
    assert found.largest_radius == pytest.approx(certified_radius(evidence(4, 1000, tallies={"own": own}, target=1)))
    assert found.alpha_spent == ALPHA and "more than half of all noisy images" in found.statement
    lost = PREDICTION(evidence(4, 1000, tallies={"own": own}, target=0))
    assert lost.outcome == "vacuous" and lost.largest_radius == 0.0


def test_images_without_finite_logits_vote_for_no_class() -> None:
    logits = torch.tensor([[0.0, 1.0], [math.nan, 1.0], [1.0, 1.0], [math.inf, 0.0]])
    tally = PREDICTION.tally(torch.zeros((4, 3), dtype=torch.int64), logits, layout(1, 1, 3))
    assert tally.tolist() == [1, 1]


def test_prediction_needs_one_class() -> None:
    with pytest.raises(InvalidSpec) as raised:
        PREDICTION.check(evidence(4, target=None), "/spec/certificates/0")
    assert raised.value.pointer == "/spec/target"


# Region mass: each sample has 4 votes; how many lie in the upper row of the grid depends on the noise's first element.


def region_evidence(inside: np.ndarray) -> Evidence:
    """Samples with these numbers of votes inside the upper row, the other of 4 votes in the lower; -1: no ranking."""
    votes = np.zeros((len(inside), 10), dtype=np.int64)
    votes[:, :5] = np.arange(5) < inside[:, None]
    votes[:, 5:] = np.arange(5) < np.where(inside < 0, 0, 4 - inside)[:, None]
    own = HALF.tally(torch.from_numpy(votes), torch.zeros((len(inside), 2)), WHERE)
    return evidence(10, len(inside), votes.sum(axis=0), grid=(1, 2, 5), layout=WHERE, tallies={"own": own})


def test_region_mass_is_the_mean_share_of_votes_inside() -> None:
    """A narrow interval at many samples; those without a ranking count as nothing inside."""
    inside = np.array([4, 2, 0, -1] * 20_000)
    found = region_evidence(inside)
    assert found.tallies["own"].tolist() == [20_000, 0, 20_000, 0, 20_000, 0]
    assert 0.36 < mean_share(found) < 0.375
    assert HALF.claim(found, RHO).value == pytest.approx(norm.cdf(norm.ppf(mean_share(found)) - RHO / SIGMA), abs=1e-6)


@pytest.mark.parametrize("steps", [1, 4])
def test_region_mass_is_violated_at_most_alpha_of_the_time(steps: int) -> None:
    """Votes inside: those of `steps` parallel half-spaces that the noise falls into. One is the worst for the shift."""
    # The full number of runs is in `make evidence-coverage`; the betting interval is slow.
    rng, runs = np.random.default_rng(7), 500
    violations, plug_in, claims, truths = 0, 0, [], []
    for _ in range(runs):
        means = np.sort(rng.uniform(0.3, 0.95, steps))
        offsets = -SIGMA * norm.ppf(means)
        z = rng.normal(scale=SIGMA, size=Q)
        inside = (z[:, None] > offsets).sum(axis=1) * (4 // steps)
        truth = float(norm.cdf((-RHO - offsets) / SIGMA).mean())
        claimed = HALF.claim(region_evidence(inside), RHO).value
        violations += claimed > truth
        plug_in += float(NOISE.lower(np.array(inside.mean() / 4), RHO)) > truth
        claims.append(claimed)
        truths.append(truth)
    assert not reject(violations, runs), violations
    assert steps > 1 or reject(plug_in, runs), "without an interval the measurement must find the violations"
    assert np.mean(claims) > 0.5 * np.mean(truths)
    print(
        f"region mass, {steps} steps: {violations} violations in {runs}, plug-in {plug_in}; "
        f"certified {np.mean(claims):.3f} of true {np.mean(truths):.3f}"
    )


def png(values: np.ndarray, mode: str = "L") -> str:
    buffer = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).convert(mode).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_regions_are_the_pixels_whose_centre_they_hold() -> None:
    """Against tests pixel by pixel: half-planes for the box and a triangle, the array itself for the mask."""
    where = layout(3, 8, 6)
    centres = [(column + 0.5, row + 0.5) for row in range(8) for column in range(6)]
    box = cells_inside(Region(box=(1.5, 2, 4.4, 7)), where)
    assert box.tolist() == [1.5 <= x < 4.4 and 2 <= y < 7 for x, y in centres] * 3
    triangle = cells_inside(Region(polygon=((0, 0), (6, 0), (0, 8))), where)
    assert triangle.tolist() == [x / 6 + y / 8 < 1 for x, y in centres] * 3
    bow_tie = cells_inside(Region(polygon=((0, 0), (6, 8), (6, 0), (0, 8))), where)
    assert bow_tie.tolist() == [abs(x / 6 - 0.5) > abs(y / 8 - 0.5) for x, y in centres] * 3
    array = np.random.default_rng(0).integers(0, 3, (8, 6))
    assert cells_inside(Region(mask_png_base64=png(array)), where).tolist() == (array.ravel() > 0).tolist() * 3


def test_a_patch_belongs_if_the_pixel_at_its_centre_does() -> None:
    """Patches at the edge are smaller: of 10 pixels in patches of 9, the second holds the last pixel alone."""
    two, nine = (Patch(Patch.Params(size=size)) for size in (2, 9))
    inside = cells_inside(Region(box=(0, 0, 3, 8)), two.layout(3, 8, 8))
    assert inside.reshape(4, 4).tolist() == [[True, False, False, False]] * 4
    edge = nine.layout(3, 10, 10)
    assert (edge.rows, len(edge.columns)) == ((4, 9), 2) and nine.grid(3, 10, 10) == (1, 2, 2)
    assert cells_inside(Region(box=(0, 0, 9, 9)), edge).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("region", "field", "words"),
    [
        ({"box": (2, 2, 2, 4)}, "/box", "x0 < x1"),
        ({"box": (2, 2, 7, 4)}, "/box", "outside the model's input of 6 x 8"),
        ({"polygon": ((0, 0), (3, 9), (2, 1))}, "/polygon", "outside the model's input"),
        ({"box": (2.6, 2.6, 3.4, 3.4)}, "", "holds no cell"),
        ({"polygon": ((0, 0), (3, 3), (6, 6))}, "", "holds no cell"),
        ({"mask_png_base64": "not base64!"}, "/mask_png_base64", "not base64"),
        ({"mask_png_base64": base64.b64encode(b"GIF89a").decode()}, "/mask_png_base64", "cannot be read"),
        ({"mask_png_base64": png(np.ones((6, 8)))}, "/mask_png_base64", "6 x 8, and be grey"),
        ({"mask_png_base64": png(np.ones((8, 6)), "RGB")}, "/mask_png_base64", "mode RGB"),
        ({"mask_png_base64": png(np.ones((8, 6)))[:60]}, "/mask_png_base64", "cannot be read"),
        ({"mask_png_base64": png(np.zeros((8, 6)))}, "", "holds no cell"),
    ],
)
def test_regions_that_do_not_fit_are_refused(region: dict[str, Any], field: str, words: str) -> None:
    certifier = RegionMass(RegionMass.Params(region=Region(**region)))
    with pytest.raises(InvalidSpec, match=words) as raised:
        certifier.check(evidence(48, grid=(1, 8, 6), layout=layout(1, 8, 6)), "/spec/certificates/2")
    assert raised.value.pointer == f"/spec/certificates/2/region{field}"


@pytest.mark.parametrize(
    "region",
    [
        {},
        {"box": (0, 0, 1, 1), "polygon": ((0, 0), (1, 0), (0, 1))},
        {"box": (-1, 0, 1, 1)},
        {"polygon": ((0, 0), (1, 1))},
        {"mask_png_base64": "A" * (1 << 20) + "A"},
        {"circle": (1, 1, 1)},
    ],
)
def test_a_region_is_exactly_one_shape_of_sane_size(region: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Region.model_validate(region)


# Cosine from the norm ball: the unit map is e1 where z > b and e2 elsewhere, so its mean is (p, 1 - p).


def unit_evidence(ones: int, samples: int = Q, cells: int = 2, resolution: int = 2**20) -> Evidence:
    votes = np.zeros(cells, dtype=np.int64)
    votes[:2] = np.array([ones, samples - ones]) * resolution
    return evidence(cells, samples, votes, map="unit", scale=resolution)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_norm_ball_is_violated_at_most_alpha_of_the_time() -> None:
    """Both worst moves are tried. The control leaves out the sampling error."""
    rng = np.random.default_rng(11)
    ball = CosineNormBall(Radii())
    violations = control = 0
    claims, truths = [], []
    for _ in range(RUNS):
        p, q, rho = rng.uniform(0.3, 0.7), 400, 0.002
        observed = unit_evidence(int(rng.binomial(q, p)), q)
        moved = norm.cdf(norm.ppf(p) + np.array([-rho, rho]) / SIGMA)
        truth = min(cosine(observed.mean, np.array([one, 1 - one])) for one in moved)
        claimed = ball.claim(observed, rho).value
        length = float(np.linalg.norm(observed.mean))
        control += math.sqrt(1 - 2 * (NOISE.total_variation(rho) / length) ** 2) > truth
        violations += claimed > truth
        claims.append(claimed)
        truths.append(truth)
    assert not reject(violations), violations
    assert reject(control), "without sampling error the measurement must find the violations"
    assert np.mean(claims) > 0.7
    print(
        f"norm ball: {violations} violations in {RUNS}, control {control}; "
        f"certified {np.mean(claims):.3f} of {np.mean(truths):.3f}"
    )


def test_mean_moves_exactly_as_far_as_the_norm_ball_says() -> None:
    """A half-space half way between the two centres attains sqrt(2) times the total variation distance."""
    for rho in (0.01, 0.1, 0.7):
        before, after = norm.cdf(rho / 2 / SIGMA), norm.cdf(-rho / 2 / SIGMA)
        moved = math.hypot(before - after, before - after)
        assert moved == pytest.approx(math.sqrt(2) * NOISE.total_variation(rho), rel=1e-8)


def test_sampling_error_covers_the_distance_of_observed_and_true_mean() -> None:
    """Unit vectors without negative entries, in as many directions as there are samples: the distance is large."""
    rng = np.random.default_rng(13)
    broken, shares = 0, []
    for _ in range(RUNS):
        ones = rng.multinomial(Q, np.full(50, 1 / 50)) / Q
        distance = float(np.linalg.norm(ones - 1 / 50))
        broken += distance > sampling_error(Q, ALPHA)
        shares.append(distance / sampling_error(Q, ALPHA))
    assert not reject(broken)
    assert 0.3 < np.mean(shares) < 1
    print(f"sampling error: {broken} of {RUNS} beyond the bound; the distance is {np.mean(shares):.2f} of it")


def test_norm_ball_pays_for_votes_that_were_rounded_down() -> None:
    """The same observed map at a coarse resolution certifies less; at none to speak of, nothing."""
    fine, coarse, none = (
        CosineNormBall(Radii()).claim(unit_evidence(9900, 10_000, 100, resolution), 0.01).value
        for resolution in (2**20, 2**5, 2**2)
    )
    assert fine > coarse > none == 0.0


# Wang and Kong as printed.


def test_printed_bound_of_wang_and_kong_does_not_hold() -> None:
    """Uniform balls around x and x + d, kappa the share of one outside the other. g = e1 on the first alone, e2 on the
    second alone, 0 elsewhere: the smoothed maps are kappa e1 and kappa e2, whose cosine is 0, while T is 0.447."""
    for kappa in (1e-6, 0.01, 0.3, 1.0):
        here, there = np.array([kappa, 0.0]), np.array([0.0, kappa])
        assert cosine(here, there) == 0.0
        length = float(np.linalg.norm(here))
        assert printed(length, 2 * kappa) == pytest.approx(1 / math.sqrt(5)) and printed(length, 2 * kappa) >= 0.447
        assert printed(length, kappa) > printed(length, 2 * kappa), "the other reading of V_U claims more still"


def test_printed_bound_is_never_called_certified() -> None:
    found = WangKong2024AsPrinted(Radii(radii=(0.001, 5.0)))(unit_evidence(100))
    assert found.guarantee == "unsound_as_published" and found.outcome == "unproven" and found.alpha_spent == 0.0
    assert {at.outcome for at in found.radii} == {"unproven"}
    texts = [found.statement, *(at.text for at in found.radii)]
    assert all("no proof" in text and "certif" not in text and "confidence" not in text for text in texts)


@pytest.mark.parametrize("certifier", [CosineNormBall(Radii()), WangKong2024AsPrinted(Radii())])
def test_bounds_for_unit_maps_refuse_other_maps(certifier: CosineNormBall | WangKong2024AsPrinted) -> None:
    certifier.check(unit_evidence(1), "/spec/certificates/0")
    with pytest.raises(InvalidSpec, match="holds for the map unit") as raised:
        certifier.check(evidence(4), "/spec/certificates/0")
    assert raised.value.pointer == "/spec/map/name"
