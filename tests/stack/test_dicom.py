"""A DICOM file on the whole way: posted in each way there is, explained, and its certificate checked."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.dicom.files import dataset, part10, real
from worker.cli.client import Client
from worker.cli.main import app
from worker.cli.stack import Stack
from worker.contract.job import Job
from worker.contract.result import Explanation

SPEC: dict[str, Any] = {"samples": 64, "seed": 5}


@pytest.fixture(scope="module")
def digit_as_dicom(digit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digit, black on white as a film would have it, which MONOCHROME1 turns back."""
    pixels = 255 - np.asarray(Image.open(io.BytesIO(digit.read_bytes())).convert("L"))
    attributes = {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 128, "WindowWidth": 256}
    file = tmp_path_factory.mktemp("dicom") / "digit.dcm"
    file.write_bytes(part10(dataset(pixels, **attributes)))
    return file


def explained(client: Client, job: Job) -> Explanation:
    last = [job, *client.follow(job)][-1]
    assert last.state == "succeeded", last
    return client.result(last)


def test_every_way_in_gives_what_the_same_picture_gives(
    client: Client, stack: Stack, digit: Path, digit_as_dicom: Path
) -> None:
    data = digit_as_dicom.read_bytes()
    results = [explained(client, client.submit(file, SPEC, fresh=True)) for file in (digit, digit_as_dicom)]
    with httpx.Client(base_url=stack.url, timeout=30, trust_env=False) as http:
        body = {"image": {"base64": base64.b64encode(data).decode()}, "spec": SPEC}
        kind, asked = {"Content-Type": "application/dicom"}, {"spec": json.dumps(SPEC)}
        for answer in (
            http.post("/v1/explanations", json=body),
            http.post("/v1/explanations", content=data, params=asked, headers=kind),
        ):
            assert answer.status_code == 202 and answer.json()["reused"], answer.text
            results.append(explained(client, Job.model_validate(answer.json())))
        several = http.post("/v1/explanations", files={"image": real("rtdose.dcm")})
        assert (several.status_code, several.json()["code"]) == (422, "frame_required")
        assert several.json()["pointer"] == "/spec/frame" and "15 frames" in several.json()["detail"]
        twice = http.post("/v1/explanations?spec={}&spec={}", content=data, headers=kind)
        assert (twice.status_code, twice.json()["code"]) == (400, "malformed_request")
        deflated = http.post("/v1/explanations", files={"image": real("image_dfl.dcm")})
        assert (deflated.status_code, deflated.json()["code"]) == (415, "dicom_transfer_syntax")
    assert {result.provenance.counts_sha256 for result in results} == {results[0].provenance.counts_sha256}
    assert results[1].provenance.preprocessing[:3] == [
        "decoded DICOM OT 8x8 MONOCHROME1, 8 bits, Explicit VR Little Endian (1.2.840.10008.1.2.1)",
        "window 128/256 LINEAR",
        "MONOCHROME1 inverted",
    ]


def test_the_command_line_explains_a_frame_and_verifies_it(stack: Stack, tmp_path: Path) -> None:
    file, out = tmp_path / "dose.dcm", tmp_path / "out"
    file.write_bytes(real("rtdose.dcm"))
    arguments = ["explain", file, "--samples", 64, "--url", stack.url, "--out", out]
    refused = CliRunner().invoke(app, list(map(str, arguments)))
    assert refused.exit_code != 0 and "15 frames" in refused.output
    done = CliRunner().invoke(app, list(map(str, [*arguments, "--frame", 7])))
    assert done.exit_code == 0, done.output
    certificate = json.loads((out / "certificate.json").read_text())
    assert certificate["spec"]["frame"] == 7 and "frame 7 of 15" in certificate["provenance"]["preprocessing"]
    check = ["verify", out / "certificate.json", "--image", file, "--url", stack.url, "--blocks", "50%"]
    verified = CliRunner().invoke(app, list(map(str, check)))
    assert verified.exit_code == 0, verified.output
    assert "frame 7 of 15" in verified.output
