"""The methods and models this service offers, as data written by the workers' side; checks specs against them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators

from worker.contract.errors import ClassOutOfRange, InvalidSpec, NoCells, TooManySamples, UnknownMethod, UnknownModel
from worker.contract.model import ModelCard
from worker.contract.spec import ExplanationSpec, Method, TargetClass

FILE = Path(__file__).with_name("catalogue.json")
# To JSON Schema 1.0 is an integer; the workers' Params are strict.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
_Validator = validators.extend(Draft202012Validator, type_checker=_TYPES)  # type: ignore[no-untyped-call]


class Catalogue:
    """catalogue.json, plus the models that workers announce."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
        self.shipped = tuple(ModelCard.model_validate(card) for card in self.document["models"])
        self._validators = {
            field: {row["name"]: _Validator(row["parameters"]) for row in rows}
            for field, rows in self.document["methods"].items()
        }

    def models(self, announced: Iterable[ModelCard]) -> Mapping[str, ModelCard]:
        """Shipped and announced models by name; an announced one wins, since it is what will compute."""
        return {card.name: card for card in (*self.shipped, *announced)}

    def check(self, spec: ExplanationSpec, models: Mapping[str, ModelCard], max_samples: int) -> None:
        """Refuse what can be seen to be wrong without an image. The worker checks everything again."""
        card = models.get(spec.model)
        if card is None:
            known = ", ".join(sorted(models))
            raise UnknownModel(f"There is no model {spec.model!r}. Known: {known}.", pointer="/spec/model")
        if isinstance(spec.target, TargetClass) and spec.target.index >= len(card.classes):
            raise ClassOutOfRange(
                f"{card.name} has classes 0 to {len(card.classes) - 1}.", pointer="/spec/target/class"
            )
        if spec.at_most > max_samples:
            where = "/spec/samples" if isinstance(spec.samples, int) else "/spec/samples/at_most"
            where = "/spec/plan/budget" if spec.plan else where
            raise TooManySamples(f"This service allows at most {max_samples:,} samples.", pointer=where)
        for field in ("attribution", "map", "granularity", "noise", "interval"):
            self._check_method(field, getattr(spec, field), f"/spec/{field}")
            for number, method in enumerate(getattr(spec.plan.offer, field) if spec.plan else ()):
                self._check_method(field, method, f"/spec/plan/offer/{field}/{number}")
        elements = card.input.channels * card.input.height * card.input.width
        for number, method in enumerate(spec.certificates):
            pointer = f"/spec/certificates/{number}"
            self._check_method("certificates", method, pointer)
            k = method.params.get("k")
            if isinstance(k, int | float) and k * elements < 1:
                raise NoCells(
                    f"k = {k:g} leaves no cell: the model's input has {elements} elements.", pointer=f"{pointer}/k"
                )

    def _check_method(self, field: str, method: Method, pointer: str) -> None:
        known = self._validators[field]
        if method.name not in known:
            raise UnknownMethod(
                f"There is no {field.removesuffix('s')} {method.name!r}. Known: {', '.join(sorted(known))}.",
                pointer=f"{pointer}/name",
            )
        error = next(known[method.name].iter_errors(method.params), None)
        if error is not None:
            where = "".join(f"/{part}" for part in error.absolute_path)
            unknown = error.validator == "additionalProperties"
            # The end of the message names the limit; a value of any length comes before it.
            detail = f"{method.name}: {error.message if len(error.message) < 200 else '...' + error.message[-160:]}."
            raise InvalidSpec(detail, pointer=f"{pointer}{_unknown_field(error.message) if unknown else where}")


def _unknown_field(message: str) -> str:
    """jsonschema names the field that is too much only in its message."""
    _, quote, rest = message.partition("('")
    return f"/{rest.partition(chr(39))[0][:64]}" if quote else ""
