"""What a client asks for: the explanation's spec. Unknown fields are refused; every default is echoed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

DEFAULT_MODEL = "digits"
Palette = Literal["viridis", "cividis", "magma", "inferno", "gray"]


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


class Render(Frozen):
    """How the pictures look; no number depends on it."""

    palette: Palette = "viridis"


class ExplanationSpec(Frozen):
    """Everything that decides an explanation besides the image.

    sigma and radii are in [0,1] pixel units (standard deviation and l2 norm); k and tau are fractions of the cells.
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
    interval: Method = Method.model_validate({"name": "clopper_pearson", "allowed_failures": 0})
    certificates: tuple[Method, ...] = Field(
        default=(Method.model_validate({"name": "topk_overlap", "k": 0.2, "radii": [0.01, 0.03, 0.1]}),),
        min_length=1,
        max_length=16,
    )
    render: Render = Render()

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
