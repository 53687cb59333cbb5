"""Reading a certificate that a stranger wrote: strict JSON, known fields, sizes that memory can hold."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from pydantic import ValidationError

from worker.contract.result import CertificateDocument

MAX_BYTES = 256 << 20
MAX_VALUES = 200_000
# Larger than any job of a service with the default settings, by a factor of 100.
MAX_ELEMENTS = MAX_SAMPLES = 1 << 24
MAX_CLASSES = MAX_BATCH = 1 << 20


class Unreadable(ValueError):
    """This is no certificate; the message says why."""


class Document(NamedTuple):
    """The JSON as it stands, which is what was signed, and the same with types."""

    raw: dict[str, Any]
    typed: CertificateDocument


def read(data: bytes) -> Document:
    """The certificate in these bytes. Raises Unreadable for everything that is not exactly one."""
    raw = _json(data)
    try:
        typed = CertificateDocument.model_validate_json(data)
        again = typed.model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(map(str, first["loc"]))
        raise Unreadable(f"/{where[:200]}: {first['msg'][:200]}") from None
    except ValueError as error:  # half surrogates
        raise Unreadable(str(error)[:200]) from None
    if again != raw:
        raise Unreadable(f"{_difference(raw, again)} is not as a certificate has it")
    _check_sizes(typed)
    return Document(raw, typed)


def _json(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise Unreadable(f"it is larger than {MAX_BYTES:,} bytes")
    try:
        text = data.decode()
        if sum(map(text.count, ",[{")) > MAX_VALUES:
            raise Unreadable(f"it has more than {MAX_VALUES:,} values")
        raw = json.loads(
            text, object_pairs_hook=_unique, parse_float=_float, parse_int=_integer, parse_constant=_constant
        )
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(str(error)[:200]) from None
    if not isinstance(raw, dict):
        raise Unreadable("it is not a JSON object")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise Unreadable("an object has the same name twice")
    return names


def _float(text: str) -> float:
    """Only as it is signed: two texts for one number would be two documents with one signature."""
    number = float(text)
    if not math.isfinite(number) or repr(number) != text:
        raise Unreadable(f"the number {text[:40]} is not in its shortest form")
    return number


def _integer(text: str) -> int:
    number = int(text) if len(text) < 20 else 1 << 63
    if abs(number) >= 1 << 63 or str(number) != text:
        raise Unreadable(f"the number {text[:40]} is not one of a certificate")
    return number


def _constant(text: str) -> float:
    raise Unreadable(f"{text} is not a number")


def _check_sizes(document: CertificateDocument) -> None:
    """Refuse what would take more memory or time than a certificate is worth."""
    provenance = document.provenance
    sizes = {
        "elements": (math.prod(provenance.input_shape), MAX_ELEMENTS, min(provenance.input_shape)),
        "samples": (document.spec.at_most, MAX_SAMPLES, document.samples),
        "classes": (provenance.classes, MAX_CLASSES, provenance.classes),
        "images in a block": (provenance.block_size, MAX_BATCH, provenance.block_size),
    }
    for noun, (most, limit, least) in sizes.items():
        if most > limit or least < 1:
            raise Unreadable(f"the number of {noun} is not between 1 and {limit:,}")


def _difference(one: Any, other: Any, pointer: str = "") -> str:
    """A JSON pointer to the first place where two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return f"{pointer}/{min(one.keys() ^ other.keys())[:64]}"
        return next(
            _difference(one[name], other[name], f"{pointer}/{name}") for name in one if one[name] != other[name]
        )
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        at = next(at for at in range(len(one)) if one[at] != other[at])
        return _difference(one[at], other[at], f"{pointer}/{at}")
    return pointer or "/"
