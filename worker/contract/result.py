"""The result of an explanation, as the API returns it and certificate.json carries it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from worker.contract.signature import Signature
from worker.contract.spec import ExplanationSpec, Granularity, Method, Planning, Precision

# "unproven": a number that no proof stands behind (first-order, empirical, unsound as published).
Outcome = Literal["certified", "vacuous", "unproven"]
Guarantee = Literal["probabilistic", "first_order", "empirical", "unsound_as_published"]


class Part(BaseModel):
    """A piece of a result: immutable, aliases on the wire."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)


class Prediction(Part):
    """The model's answer at the clean image."""

    index: int = Field(alias="class")
    label: str
    probability: float


class Target(Part):
    """The class that is explained. `index` is None when each noisy image is explained for its own class."""

    mode: Literal["predicted", "class", "per-sample"]
    index: int | None = Field(alias="class")
    label: str


class IntervalUsed(Part):
    """The interval event a certificate rests on: all but `allowed_failures` of `cells` intervals hold (where the map of
    a fresh run is compared, those of both runs)."""

    name: str
    allowed_failures: int
    side_error: float
    cells: int


class AtRadius(Part):
    """What is certified within one l2 radius (in [0,1] pixel units). Certificates over a top-K set count `certified` of
    its `k` cells; others have the value alone."""

    rho: float
    value: float
    certified: int | None
    k: int | None
    outcome: Outcome
    text: str


class Certificate(Part):
    """One certificate. `alpha_spent` is shared by all certificates that rest on the same interval event.

    `largest_radius` answers the dual question, where one was asked with `wanted`.
    """

    name: str
    guarantee: Guarantee
    source: str
    params: dict[str, Any]
    outcome: Outcome
    statement: str
    radii: list[AtRadius]
    largest_radius: float | None
    alpha_spent: float
    interval: IntervalUsed


class CurvePoint(Part):
    """Certified overlap at one radius, ours and, for comparison, by Levine's Theorem 2 as printed.

    `overlap_as_printed` is None where the printed theorem does not apply (noise that is not Gaussian).
    """

    rho: float
    overlap: float
    overlap_as_printed: float | None


class Alpha(Part):
    """How the total failure probability was divided: the intervals of all cells, and each certificate with a statistic
    of its own (by its place and name). A run that may stop early looks at the counts several times and divides `total`
    over the looks first; `look` of at most `looks` is the one that gave this result. Where the map of a fresh run is
    compared, `rerun` is what that run's sampling error costs: as much again as `intervals` and `own` together."""

    total: float
    intervals: float
    own: dict[str, float]
    rerun: float
    look: int
    looks: int


class Candidate(Part):
    """A combination of what a plan may choose, and the value that the pilot predicts for it. Not a certificate."""

    attribution: Method
    map: Method
    granularity: Granularity
    noise: Method
    interval: Method
    predicted: float


class Proposal(Part):
    """What pilot samples chose: of the candidates `tried`, each with its best interval, the one `chosen`, and why.

    The pilot's samples enter no count. `samples` are those left for the certificate; it is named here.
    """

    asked: Planning
    certificate: str
    pilot_samples: int
    samples: int
    tried: list[Candidate]
    chosen: Candidate
    why: str


class PlanReport(Proposal):
    """A proposal and what became of it: the value that fresh samples gave at the radius, and whether that is
    `at_least` what was asked for (None where nothing was)."""

    value: float
    reached: bool | None


class HeatMap(Part):
    """The smoothed map as a 16-bit grey PNG: value = value_min + pixel / 65535 * (value_max - value_min)."""

    png_base64: str
    bits: int
    value_min: float
    value_max: float
    width: int
    height: int


class Picture(Part):
    """A PNG for people to look at."""

    png_base64: str


class Agreement(Part):
    """How near the maps of a reduced precision are to those of float32: the mean cosine over the same noisy images, for
    maps of zeros and ones the share of the votes that both give. A measurement, not part of any certificate."""

    samples: int
    cosine: float


class Provenance(Part):
    """Everything needed to compute the same counts again. `input_shape` is channels, height and width of the image as
    the model receives it; `classes` is how many the model knows; `device` names every device that took part, `threads`
    are those of the worker that certified."""

    service_version: str
    code_digest: str
    model: str
    model_sha256: str
    input_shape: tuple[int, int, int]
    classes: int
    image_sha256: str
    preprocessing: list[str]
    seed: int
    block_size: int
    blocks: int
    counts_sha256: str
    device: str
    precision: Precision
    agreement: Agreement | None
    threads: int
    library_versions: dict[str, str]
    started_at: datetime
    finished_at: datetime


class SegmentRecord(Part):
    """The counts of `blocks` blocks from block `first` on, in the encoding of CountsRecord."""

    first: int
    blocks: int
    samples: int
    degenerate_samples: int
    votes_zlib_base64: str
    tallies_zlib_base64: dict[str, str]


class CountsRecord(Part):
    """The votes per cell, out of `scale` a sample: base64 of zlib-compressed little-endian int64 in row-major order of
    `grid`; tallies of certificates likewise, flat, by name. `segments` are the parts of the run in the order of blocks;
    they sum to the whole, and each can be computed again on its own."""

    votes_zlib_base64: str
    scale: int
    tallies_zlib_base64: dict[str, str]
    grid: tuple[int, int, int]
    sha256: str
    segments: list[SegmentRecord]


class Claims(Part):
    """What is claimed of one image, and on what grounds. `spec` is what was run, with the choices of the plan made."""

    notice: str
    spec: ExplanationSpec
    plan: PlanReport | None
    prediction: Prediction
    target: Target
    samples: int
    degenerate_samples: int
    alpha: Alpha
    certificates: list[Certificate]
    curve: list[CurvePoint]
    provenance: Provenance


class UnsignedDocument(Claims):
    """What is signed: the claims and the integers they rest on, without pictures."""

    format: Literal["surety-certificate/1"] = "surety-certificate/1"
    counts: CountsRecord


class CertificateDocument(UnsignedDocument):
    """certificate.json: what is claimed and counted, and its signature."""

    signature: Signature


class Explanation(Claims):
    """The whole result: the claims and the pictures; `artifacts` names the files there are, and `signature` is that of
    certificate.json, which holds the same claims. `notes` say which files were left out, and why."""

    heatmap: HeatMap
    overlay: Picture
    certified: Picture
    signature: Signature
    artifacts: list[str]
    notes: list[str] = []
