"""What a client asks for: the explanation's spec. Unknown fields are refused; every default is echoed."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)

DEFAULT_MODEL = "digits"
Palette = Literal["viridis", "cividis", "magma", "inferno", "gray"]
# bfloat16: the network's layers round to 8 bits of mantissa. That is another function, and the one that is explained.
Precision = Literal["float32", "bfloat16"]


class Frozen(BaseModel):
    """Immutable, strict about unknown fields and about numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Method(BaseModel):
    """A named method and its parameters, for instance `{"name": "sparsified", "tau": 0.1}`.

    The parameters are checked against the catalogue by the API and against the method's own Params by the worker.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=64)

    @property
    def params(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def _from_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _to_name(method: Method) -> object:
    return method.model_dump() if method.params else method.name


Granularity = Annotated[Method, BeforeValidator(_from_name), PlainSerializer(_to_name)]


class TargetClass(Frozen):
    """An explicit class, by its index in the model's list of classes."""

    index: int = Field(alias="class", ge=0, strict=True)

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class Until(Frozen):
    """The value at which sampling may stop: of the first certificate of this name, at this radius."""

    certificate: str = Field(min_length=1, max_length=64)
    radius: float = Field(gt=0.0, le=1000.0)
    at_least: float = Field(gt=0.0, le=1.0)


class Stopping(Frozen):
    """Up to `at_most` samples, fewer if `until` is reached before. Every look in between is paid for with alpha."""

    at_most: int = Field(ge=1, strict=True)
    until: Until


def _methods(name: str, **params: Any) -> tuple[Method, ...]:
    """The method with each value of its one parameter."""
    return tuple(
        Method.model_validate({"name": name, field: value}) for field, values in params.items() for value in values
    )


Few = Field(min_length=1, max_length=8)
# Measured: choosing by fewer pilot samples gains nothing over the default spec.
LEAST_PILOT = 64
MOST_COMBINATIONS = 1024


class Offer(Frozen):
    """What a plan chooses from, by fields of the spec: every combination that fits together is tried.

    A field left out here offers what the spec itself has there, if it is given, and else the list here. Every pair of
    an attribution and a noise needs pilot samples of its own; all the rest is judged on the same samples.
    """

    attribution: Annotated[tuple[Method, ...], Few] = (Method(name="gradient"),)
    map: Annotated[tuple[Method, ...], Few] = _methods("sparsified", tau=(0.05, 0.1, 0.2))
    granularity: Annotated[tuple[Granularity, ...], Few] = (
        Method(name="pixel"),
        *_methods("patch", size=(2, 4, 8, 16)),
    )
    noise: Annotated[tuple[Method, ...], Few] = _methods("gaussian", sigma=(0.05, 0.1, 0.15, 0.25))
    interval: Annotated[tuple[Method, ...], Few] = _methods(
        "clopper_pearson", allowed_failures=(0, 1, 3, 10, 30, 100, 300)
    )

    @property
    def pairs(self) -> int:
        return len(self.attribution) * len(self.noise)

    @model_validator(mode="after")
    def _not_too_many(self) -> Offer:
        combinations = math.prod(len(getattr(self, field)) for field in Offer.model_fields)
        if combinations > MOST_COMBINATIONS:
            raise ValueError(f"these are {combinations} combinations; offer at most {MOST_COMBINATIONS}")
        return self


class Planning(Frozen):
    """Let pilot samples choose the fields of `offer`, for the first certificate's value at `radius` (l2, in [0,1] pixel
    units; it is added to that certificate's radii). `budget`: all passes, those of the pilot included.

    With `at_least` the least noise that is predicted to reach this value is chosen, else the largest value.
    """

    radius: float = Field(gt=0.0, le=1000.0)
    budget: int = Field(ge=1, strict=True)
    at_least: float | None = Field(default=None, gt=0.0, le=1.0)
    offer: Offer = Offer()

    @property
    def pilot(self) -> int:
        """Pilot samples for each pair of an attribution and a noise, at most: together a quarter of the budget."""
        return self.budget // (4 * self.offer.pairs)

    @model_validator(mode="after")
    def _leaves_a_pilot(self) -> Planning:
        if self.pilot < LEAST_PILOT:
            least = 4 * self.offer.pairs * LEAST_PILOT
            raise ValueError(
                f"the budget is too small for {self.offer.pairs} pilots: take {least}, or offer less noise"
            )
        return self


class Render(Frozen):
    """How the pictures look; no number depends on it."""

    palette: Palette = "viridis"


class ExplanationSpec(Frozen):
    """Everything that decides an explanation besides the image.

    sigma and radii are in [0,1] pixel units (standard deviation and l2 norm); k and tau are fractions of the cells.
    compare: the map shown, with what at the changed image: the smoothed map (its population mean), or the map that a
    fresh run of as many samples observes. The second costs half of alpha and a second sampling error.
    """

    model: str = Field(default=DEFAULT_MODEL, min_length=1, max_length=128)
    target: Literal["predicted", "per-sample"] | TargetClass = "predicted"
    attribution: Method = Method(name="gradient")
    map: Method = Method.model_validate({"name": "sparsified", "tau": 0.1})
    granularity: Granularity = Method(name="pixel")
    noise: Method = Method.model_validate({"name": "gaussian", "sigma": 0.15})
    samples: Annotated[int, Field(ge=1, strict=True)] | Stopping = 1024
    seed: int = Field(default=0, ge=0, lt=2**63, strict=True)
    confidence: float = Field(default=0.95, ge=0.5, lt=1.0, strict=True)
    precision: Precision = "float32"
    compare: Literal["population", "observed"] = "population"
    interval: Method = Method.model_validate({"name": "clopper_pearson", "allowed_failures": 0})
    certificates: tuple[Method, ...] = Field(
        default=(Method.model_validate({"name": "topk_overlap", "k": 0.2, "radii": [0.01, 0.03, 0.1]}),),
        min_length=1,
        max_length=16,
    )
    plan: Planning | None = None
    frame: int | None = Field(
        default=None,
        ge=1,
        strict=True,
        description="which frame of a multi-frame DICOM file is explained, counted from 1",
    )
    render: Render = Render()

    @model_validator(mode="before")
    @classmethod
    def _given_is_offered(cls, data: Any) -> Any:
        """With a plan, what is given is the only thing offered, and `samples` is the budget: then a spec means the same
        when it was written out with every default and is read again."""
        plan = data.get("plan") if isinstance(data, dict) else None
        if not isinstance(plan, dict) or not isinstance(offer := plan.get("offer", {}), dict):
            return data
        given = {field: [data[field]] for field in Offer.model_fields if field in data}
        budget = plan.get("budget")
        samples = {"samples": budget} if type(budget) is int and budget > 0 else {}
        return {**samples, **data, "plan": {**plan, "offer": {**given, **offer}}}

    @field_validator("plan")
    @classmethod
    def _plan_decides_samples(cls, plan: Planning | None, others: ValidationInfo) -> Planning | None:
        if plan and others.data.get("samples", plan.budget) != plan.budget:
            raise ValueError("a plan makes samples of its budget, to the end: leave `samples` out")
        return plan

    @model_validator(mode="after")
    def _certificates_differ(self) -> ExplanationSpec:
        if len({item.model_dump_json() for item in self.certificates}) < len(self.certificates):
            raise ValueError("the same certificate is asked for twice")
        return self

    @property
    def at_most(self) -> int:
        """The most samples that will be drawn."""
        return self.samples.at_most if isinstance(self.samples, Stopping) else self.samples

    @model_validator(mode="after")
    def _until_is_asked_for(self) -> ExplanationSpec:
        names = [item.name for item in self.certificates]
        if isinstance(self.samples, Stopping) and self.samples.until.certificate not in names:
            raise ValueError(f"samples.until names a certificate that is not asked for; there are {', '.join(names)}")
        return self

    @property
    def alpha(self) -> float:
        """The total failure probability of the result."""
        return 1.0 - self.confidence
