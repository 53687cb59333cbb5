"""Whether a document is signed by a key that is trusted."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from worker.contract.signature import PublicKey, canonical, key_id
from worker.contract.verification import Check
from worker.verify.document import Document

NAME = "signature"


def check_signature(document: Document, keys: Sequence[PublicKey]) -> Check:
    """Passed: one of `keys` has signed exactly this document. Not checked: there are no keys."""
    signature = document.typed.signature
    if not keys:
        return Check(
            name=NAME,
            outcome="not_checked",
            detail=f"No key to check with was given; it says that key {signature.key_id} signed it.",
        )
    raw = [b64decode(key.public_key) for key in keys]
    own = next((key for key in raw if key_id(key) == signature.key_id), None)
    if own is None:
        known = ", ".join(map(key_id, raw))
        said = f"Signed by key {signature.key_id}, which is not trusted here; trusted: {known}."
        return Check(name=NAME, outcome="failed", detail=said)
    try:
        Ed25519PublicKey.from_public_bytes(own).verify(
            b64decode(signature.value, validate=True), canonical(document.raw)
        )
    except (InvalidSignature, ValueError):
        said = f"This is not what key {signature.key_id} signed: something was changed."
        return Check(name=NAME, outcome="failed", detail=said)
    return Check(name=NAME, outcome="passed", detail=f"Signed by key {signature.key_id}.")
