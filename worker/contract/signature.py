"""Signatures: what is signed, by which key, and the public half of a key as the API shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Algorithm = Literal["ed25519"]
KEY_ID = r"^[0-9a-f]{16}$"


class Signature(BaseModel):
    """A detached signature over `canonical(document)`; `value` is base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithm: Algorithm = "ed25519"
    key_id: str = Field(pattern=KEY_ID)
    value: str = Field(pattern=r"^[A-Za-z0-9+/]{86}==$")


class PublicKey(BaseModel):
    """A key that workers of this service sign with: 32 raw bytes in base64, and the same as PEM."""

    model_config = ConfigDict(frozen=True)

    key_id: str = Field(pattern=KEY_ID)
    algorithm: Algorithm = "ed25519"
    public_key: str = Field(pattern=r"^[A-Za-z0-9+/]{43}=$")
    pem: str


class KnownKey(PublicKey):
    """A public key and when this service's store first heard of it."""

    first_seen: datetime


def key_id(public_key: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return sha256(public_key).hexdigest()[:16]


def canonical(document: Mapping[str, Any]) -> bytes:
    """What is signed: the document without `signature`, as JSON with sorted names, no spaces, in UTF-8.

    Whole numbers are decimal; all others are in the shortest form that reads back as the same double, as Python writes
    it. Raises ValueError for NaN, infinity and half surrogates.
    """
    rest = {name: value for name, value in document.items() if name != "signature"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()
