"""The signing key: made once, private, refused when others could read it."""

from __future__ import annotations

import stat
import subprocess
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from worker.contract.settings import Settings
from worker.contract.signature import canonical
from worker.service.signing import FILE, SigningKeyError, own_key, read_public, signing_key


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "state")
    assert own_key(settings) is None and not settings.state_dir.exists(), "looking makes none"
    key = signing_key(settings)
    assert stat.S_IMODE((settings.state_dir / FILE).stat().st_mode) == 0o600
    assert signing_key(settings).public == key.public == own_key(settings)
    assert [path.name for path in settings.state_dir.iterdir()] == [FILE]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    for attempt in range(20):
        settings = Settings(state_dir=tmp_path / str(attempt))
        with ThreadPoolExecutor(8) as pool:
            ids = {key.public.key_id for key in pool.map(signing_key, [settings] * 8)}
        assert len(ids) == 1


def test_the_key_id_and_the_signature_are_what_the_page_says(tmp_path: Path) -> None:
    key = signing_key(Settings(state_dir=tmp_path))
    raw = b64decode(key.public.public_key)
    assert key.public.key_id == sha256(raw).hexdigest()[:16]
    document = {"a": 1}
    value = b64decode(key.sign(document).value)
    Ed25519PublicKey.from_public_bytes(raw).verify(value, canonical(document))
    assert key.sign({**document, "signature": "x"}) == key.sign(document)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o700 | 0o011])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    settings = Settings(state_dir=tmp_path)
    signing_key(settings)
    (tmp_path / FILE).chmod(mode)
    with pytest.raises(SigningKeyError, match="chmod 600"):
        signing_key(settings)


def test_a_key_that_the_settings_name_is_used_and_never_made(tmp_path: Path) -> None:
    file = tmp_path / "own.pem"
    settings = Settings(state_dir=tmp_path / "state", signing_key_file=file)
    with pytest.raises(SigningKeyError, match="SURETY_SIGNING_KEY_FILE"):
        signing_key(settings)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(file)], check=True, capture_output=True)
    file.chmod(0o600)
    assert signing_key(settings).public == own_key(settings) and not settings.state_dir.exists()
    public = tmp_path / "public.pem"
    command = ["openssl", "pkey", "-in", str(file), "-pubout", "-out", str(public)]
    subprocess.run(command, check=True, capture_output=True)
    assert read_public(public) == signing_key(settings).public
    assert public.read_text() == signing_key(settings).public.pem


@pytest.mark.parametrize("content", [b"", b"no key", None])
def test_what_is_no_ed25519_key_is_refused(tmp_path: Path, content: bytes | None) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = tmp_path / "key.pem"
    file.write_bytes(other if content is None else content)
    file.chmod(0o600)
    with pytest.raises(SigningKeyError):
        signing_key(Settings(signing_key_file=file))
    with pytest.raises(SigningKeyError):
        read_public(file)


def test_where_no_key_can_be_made_the_error_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a directory should be")
    with pytest.raises(SigningKeyError, match="SURETY_STATE_DIR"):
        signing_key(Settings(state_dir=tmp_path / "state"))
