"""Who asked: the log names the key and the request of what clients did, also of an admin with the jobs of others."""

from __future__ import annotations

from contextlib import closing

from app.main import create_app
from tests.api.client import Client
from tests.api.conftest import PNG
from tests.records.conftest import MakeScribe
from tests.records.test_scribe import entries
from worker.contract.settings import Settings
from worker.store.keys import Keyring


def test_the_log_names_the_key_and_the_request(make_scribe: MakeScribe, settings: Settings) -> None:
    with closing(Keyring(settings)) as keyring:
        text, key = keyring.create("ada", ["submit", "read"])
        other, admin = keyring.create("root", ["admin"])
    with Client(create_app(settings)) as client:
        mine = {"Authorization": f"Bearer {text}", "X-Request-ID": "scan-1"}
        job_id = client.post("/v1/explanations", files={"image": ("a.png", PNG)}, headers=mine).json()["id"]
        theirs = {"Authorization": f"Bearer {other}", "X-Request-ID": "tidy-2"}
        client.post(f"/v1/jobs/{job_id}/cancel", headers=theirs)
        client.request("DELETE", f"/v1/jobs/{job_id}", headers=theirs)
    make_scribe().write()
    submitted, cancelled, deleted = entries(settings)[-3:]
    assert (submitted.event, submitted.facts["request"], submitted.facts["key"]) == ("submitted", "scan-1", key.id)
    assert (submitted.facts["owner"], submitted.facts["model"]) == ("ada", "digits")
    for entry, event in ((cancelled, "cancelled"), (deleted, "deleted")):
        assert (entry.event, entry.job, entry.facts["owner"]) == (event, job_id, "ada")
        assert (entry.facts["by"], entry.facts["key"], entry.facts["request"]) == ("root", admin.id, "tidy-2")
