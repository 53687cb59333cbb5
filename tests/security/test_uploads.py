"""A corpus of hostile files: each is decoded or refused by name, in a moment, in little memory, and never a 500."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.client import Client
from tests.api.conftest import MakeClient, Post
from tests.api.problem import checked
from tests.images.corpus import CORPUS_PIXELS, OK, corpus

CORPUS = corpus()
MOST_SECONDS, MOST_KILOBYTES = 2.0, 96 * 1024
# In a process of its own, whose growth is measured. A limit on memory would show as a damaged file instead.
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from worker.contract.errors import ImageError
from worker.service.images import decode
folder, pixels = Path(sys.argv[1]), int(sys.argv[2])
decode((folder / "one-pixel").read_bytes(), pixels)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = {}
for file in sorted(folder.iterdir()):
    data, began = file.read_bytes(), time.process_time()
    try:
        decode(data, pixels)
        outcome = "decoded"
    except ImageError as error:
        outcome = error.code
    found[file.name] = outcome, time.process_time() - began
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps({"found": found, "grown": grown}))
"""


def test_every_file_has_the_outcome_it_should_in_little_time_and_memory(tmp_path: Path) -> None:
    for name, (data, _) in CORPUS.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path), str(CORPUS_PIXELS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    outcomes = {name: outcome for name, (outcome, _) in said["found"].items()}
    assert outcomes == {name: wanted for name, (_, wanted) in CORPUS.items()}
    slow = {name: seconds for name, (_, seconds) in said["found"].items() if seconds > MOST_SECONDS}
    assert len(CORPUS) >= 60 and not slow
    assert said["grown"] < MOST_KILOBYTES
    print(f"{len(CORPUS)} files, {sum(one == OK for one in outcomes.values())} decoded, {said['grown']} KiB")


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client(max_pixels=CORPUS_PIXELS, max_body_bytes=2**20)


def test_every_file_is_taken_or_refused_by_name_at_the_post(post: Post) -> None:
    """What only its pixels show to be damaged is taken, and fails in the worker."""
    for name, (data, wanted) in CORPUS.items():
        response = post(data)
        if response.status_code != 202:
            assert checked(response)["code"] == wanted, name
            assert response.json()["pointer"] == "/image"
        else:
            assert wanted in (OK, "image_unreadable"), name
