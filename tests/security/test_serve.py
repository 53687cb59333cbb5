"""`surety keys` and `surety serve` as an operator uses them, and what the logs tell of those who were served."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.images.files import encode
from worker.cli.address import is_loopback, url_here
from worker.cli.client import Client
from worker.cli.main import app
from worker.cli.stack import Stack
from worker.contract.settings import Settings
from worker.service.server import ServerError

EVERYWHERE = "0.0.0.0"
PATIENT = "Doe^Jane^19570312"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of the command line, too."""
    for name in [name for name in os.environ if name.startswith("SURETY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SURETY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    return Settings()


def surety(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["keys", *arguments])
    assert done.exit_code == status, done.output
    return done.stdout if status == 0 else done.stderr


def test_keys_are_made_listed_and_revoked(settings: Settings) -> None:
    """On the embedded server, which runs for the moment."""
    key = surety("create", "--owner", "ada", "--scope", "read", "--scope", "submit").strip()
    key_id, secret = key.removeprefix("surety_").split("_", 1)
    listed = surety("list")
    assert key_id in listed and "ada" in listed and "submit, read" in listed and secret not in listed
    assert key_id in surety("revoke", key_id)
    assert "There is no key" in surety("revoke", "nobody", status=1)
    assert "An owner is" in surety("create", "--owner", "a b", "--scope", "read", status=1)
    surety("create", "--owner", "ada", "--scope", "root", status=1)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *[("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)],
        *[(EVERYWHERE, False), ("::", False), ("192.168.0.4", False), ("10.0.0.1", False)],
        *[("example.org", False), ("localhost.example.org", False), ("", False)],
    ],
)
def test_what_is_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_a_service_everywhere_is_also_here() -> None:
    found = [url_here(host, 80) for host in (EVERYWHERE, "::", "::1", "127.0.0.1", "host")]
    assert found == [f"http://{host}:80" for host in ("127.0.0.1", "[::1]", "[::1]", "127.0.0.1", "host")]


@pytest.mark.parametrize(("host", "allowed"), [(EVERYWHERE, None), ("127.0.0.1", False)])
def test_a_public_address_without_a_key_is_refused(settings: Settings, host: str, allowed: bool | None) -> None:
    """Also loopback, where the settings want keys; a key that was revoked is none."""
    key = surety("create", "--owner", "ada", "--scope", "read")
    surety("revoke", key.split("_")[1])
    stack = Stack(settings.model_copy(update={"allow_anonymous": allowed}), host=host)
    with pytest.raises(ServerError, match=r"surety keys create .*SURETY_ALLOW_ANONYMOUS=true"), stack:
        pass
    assert not stack.server_pid and not stack.worker_pid


def test_a_public_service_with_keys_whose_logs_tell_nothing(settings: Settings, tmp_path: Path) -> None:
    """Jobs that succeed, fail and are refused, full of planted secrets; then every line that anybody logged."""
    key = surety("create", "--owner", "ada", "--scope", "read", "--scope", "submit").strip()
    exif = Image.Exif()
    exif[0x010E] = PATIENT
    picture = encode(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8), "PNG", exif=exif)
    files = {"good": picture, "broken": picture[:-200]}
    planted = ["hunter2-idempotency", "hunter2-spec", "hunter2-query", "surety_" + "0" * 16 + "_" + "x" * 43]
    with Stack(settings, host=EVERYWHERE) as stack:
        assert httpx.get(f"{stack.url}/v1/jobs", trust_env=False).status_code == 401
        for name, data in files.items():
            file = tmp_path / f"{PATIENT}-{name}.png"
            file.write_bytes(data)
            with Client(stack.url, key) as client:
                job = client.submit(file, {"samples": 64})
                states = [job.state, *(news.state for news in client.follow(job))]
            assert states[-1] == ("succeeded" if name == "good" else "failed")
        with httpx.Client(base_url=stack.url, trust_env=False, headers={"Authorization": f"Bearer {key}"}) as http:
            form = {"image": (f"{PATIENT}.png", picture)}
            headers = {"Idempotency-Key": planted[0]}
            assert http.post("/v1/explanations", files=form, headers=headers).status_code == 202
            assert http.post("/v1/explanations", files=form, data={"spec": f'"{planted[1]}"'}).status_code == 422
            assert http.get("/v1/jobs", params={"cursor": planted[2]}).status_code == 422
            assert http.get("/v1/jobs", headers={"Authorization": f"Bearer {planted[3]}"}).status_code == 401
            assert http.get(f"/v1/jobs/{PATIENT}").status_code == 404
        log = stack.log.read_text() + (settings.state_dir / "redis" / "server.log").read_text()
    assert job.id in log and "GET /v1/jobs" in log and "POST /v1/explanations" in log, "the log tells something"
    secrets = [key, key.split("_", 2)[2], *planted, PATIENT, "Jane", "broken.png", b64encode(picture).decode()[:60]]
    assert [secret for secret in secrets if secret in log] == []
    assert repr(picture[-250:-230])[2:-1] not in log
