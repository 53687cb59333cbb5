"""The worker's signing key: made at its first start, kept in one file that nobody else may read."""

from __future__ import annotations

import os
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from worker.contract.settings import Settings
from worker.contract.signature import PublicKey, Signature, canonical, key_id

FILE = "signing-key.pem"


class SigningKeyError(RuntimeError):
    """The key cannot be used; the message says what to do."""


class SigningKey:
    """An Ed25519 key. The private half never leaves this object and its file."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = _public(key.public_key())

    def sign(self, document: Mapping[str, Any]) -> Signature:
        """The signature of the document, whether or not it has one already."""
        return Signature(key_id=self.public.key_id, value=b64encode(self._key.sign(canonical(document))).decode())


def signing_key(settings: Settings) -> SigningKey:
    """The key of the settings' file; without one, that of state_dir, which is made if it is not there.

    Raises SigningKeyError if others may read the file, if it holds no Ed25519 key, or if it cannot be made.
    """
    path = settings.signing_key_file or settings.state_dir / FILE
    try:
        if settings.signing_key_file is None and not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise SigningKeyError(
            f"The signing key {path} cannot be used ({error.strerror}). Set SURETY_SIGNING_KEY_FILE to the key, or "
            "SURETY_STATE_DIR to a directory where one can be made."
        ) from error


def own_key(settings: Settings) -> PublicKey | None:
    """The public half of the key that is there; None if none was made yet. Raises SigningKeyError."""
    path = settings.signing_key_file or settings.state_dir / FILE
    return signing_key(settings).public if path.exists() else None


def read_public(path: Path) -> PublicKey:
    """The public key in a PEM file. Raises SigningKeyError."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"{path} is not a public key in PEM form.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SigningKeyError(f"{path} is not an Ed25519 key.")
    return _public(key)


def _public(key: Ed25519PublicKey) -> PublicKey:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(key_id=key_id(raw), public_key=b64encode(raw).decode(), pem=pem.decode())


def _make(path: Path) -> None:
    """Whole or not at all, and never in place of another: the processes of a first start may all come here at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".key-") as file:  # is made with mode 0600
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, path)
        except FileExistsError:
            return


def _read(path: Path) -> SigningKey:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            raise SigningKeyError(f"Others may use the signing key {path} (mode {mode:04o}). Run: chmod 600 {path}")
        pem = file.read()
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"{path} is not an unencrypted private key in PEM form.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{path} is not an Ed25519 key; make one with: openssl genpkey -algorithm ed25519")
    return SigningKey(key)
