"""A certificate on its way: made by the service, checked by it, and by the command line against its keys."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from tests.stack.test_main_job import run
from worker.cli.client import Client
from worker.cli.main import app
from worker.cli.stack import Stack
from worker.contract.verification import Verification


def verified(url: str, certificate: bytes, image: bytes | None) -> Verification:
    files: dict[str, Any] = {"certificate": ("certificate.json", certificate)}
    files |= {"image": ("image.png", image)} if image else {}
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
        made = http.post("/v1/verifications", files=files, data={"blocks": "50"})
        assert made.status_code == 202, made.text
        job = made.json()
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)
            job = http.get(job["links"]["self"]).json()
        assert job["state"] == "succeeded", job
        return Verification.model_validate(http.get(job["links"]["result"]).json())


def test_what_the_service_signed_it_confirms_and_what_was_changed_it_does_not(
    client: Client, stack: Stack, digit: Path, tmp_path: Path
) -> None:
    job, _ = run(client, digit, {"samples": 512})
    result, certificate = client.result(job), client.artifact(job, "certificate.json")
    assert [key.key_id for key in client.public_keys()] == [result.signature.key_id]
    good = verified(stack.url, certificate, digit.read_bytes())
    assert good.outcome == "passed" and {check.outcome for check in good.checks} == {"passed"}, good
    better = certificate.replace(b"Research use only; not a medical device.", b"Approved for clinical use.")
    assert better != certificate
    bad = verified(stack.url, better, None)
    assert bad.outcome == "failed" and [check.name for check in bad.checks if check.outcome == "failed"] == [
        "signature"
    ]
    assert verified(stack.url, b"no certificate", digit.read_bytes()).outcome == "failed"

    (tmp_path / "certificate.json").write_bytes(certificate)
    arguments = ["verify", tmp_path / "certificate.json", "--image", digit, "--url", stack.url]
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})
    assert done.exit_code == 0 and "equal integers" in done.output, done.output
    assert result.signature.key_id in done.output
