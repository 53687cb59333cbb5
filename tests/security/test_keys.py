"""Strangers at the door: no key, a wrong one, one for something else, and one of somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from tests.api.client import Client
from tests.api.conftest import PNG, MakeClient
from tests.api.problem import problem
from worker.contract.settings import Settings
from worker.store import keys
from worker.store.jobs import JobStore
from worker.store.keys import ApiKey, Keyring, Scope
from worker.store.orders import Claim

OPEN = {"/health/live", "/health/ready", "/v1/keys", "/v1/keys/{key_id}"}
UNKNOWN = "0" * 32
Headers = dict[str, str]
Make = Callable[..., Headers]


@pytest.fixture
def service(make_client: MakeClient) -> Client:
    """A service whose settings say nothing about keys: it wants them."""
    return make_client(allow_anonymous=None)


@pytest.fixture
def make_key(keyring: Keyring) -> Make:
    """The header of a new key."""

    def make(owner: str, *scopes: Scope) -> Headers:
        return {"Authorization": f"Bearer {keyring.create(owner, scopes or ('submit', 'read'))[0]}"}

    return make


def post(client: Client, headers: Headers, **more: str) -> Any:
    files = {"image": ("a.png", PNG)}
    return client.post("/v1/explanations", files=files, headers={**headers, **more})


def addresses(client: Client) -> list[tuple[str, str]]:
    """Every method and path of the OpenAPI document."""
    document = client.get("/openapi.json").json()
    return [(method.upper(), path) for path, item in document["paths"].items() for method in item]


def filled(path: str, job_id: str = UNKNOWN) -> str:
    return path.format(job_id=job_id, batch_id=job_id, name="digits", key_id="k")


def test_without_a_key_only_what_is_nobodys_is_open(service: Client) -> None:
    found = addresses(service)
    assert {path for _, path in found} > OPEN and len(found) > 15
    for method, path in found:
        response = service.request(method, filled(path))
        if path in OPEN:
            assert response.status_code in (200, 404, 503)
        else:
            problem(response, 401, "key_required", None, "surety keys create")
            assert response.headers["www-authenticate"] == 'Bearer realm="surety"'
    assert service.get("/docs").status_code == 200


def test_the_openapi_document_names_the_key(service: Client) -> None:
    document = service.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    for path, item in document["paths"].items():
        assert all(("security" in operation) == (path not in OPEN) for operation in item.values()), path


def test_a_wrong_key_is_refused_also_where_none_is_needed(client: Client, service: Client, keyring: Keyring) -> None:
    text, _ = keyring.create("ada", ["read"])
    flipped = text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1]
    other_id = f"surety_{'0' * 16}_{text.rpartition('_')[2]}"
    shown = [flipped, other_id, text[:-1], text + "x", text.upper(), "surety_", "x", "0" * 5000, f"{text} {text}"]
    for door in (client, service):
        for wrong in shown:
            response = door.get("/v1/jobs", headers={"Authorization": f"Bearer {wrong}"})
            body = problem(response, 401, "key_required", None, "not known")
            assert wrong not in json.dumps(body) or len(wrong) < 10
            assert 'error="invalid_token"' in response.headers["www-authenticate"]
        assert door.get("/v1/jobs", headers={"Authorization": f"bearer {text}"}).status_code == 200
    for other in ("Basic YTpi", text, "", "Bearer"):
        problem(service.get("/v1/jobs", headers={"Authorization": other}), 401, "key_required")
    for place in (f"/v1/jobs?key={text}", f"/v1/jobs?access_token={text}"):
        problem(service.get(place), 401, "key_required")


def test_a_revoked_key_opens_nothing_from_the_next_request_on(service: Client, keyring: Keyring) -> None:
    text, key = keyring.create("ada", ["read"])
    headers = {"Authorization": f"Bearer {text}"}
    assert service.get("/v1/jobs", headers=headers).status_code == 200
    revoked = keyring.revoke(key.id)
    assert revoked and revoked.revoked_at and keyring.revoke(key.id) == revoked, "revoking again changes nothing"
    problem(service.get("/v1/jobs", headers=headers), 401, "key_required", None, "revoked")
    assert keyring.revoke(UNKNOWN) is None and not keyring.usable() and len(keyring.all()) == 1


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("submit", {"submit"}), ("read", {"read"}), ("admin", {"submit", "read", "admin"})],
)
def test_a_scope_opens_its_own_addresses_only(service: Client, make_key: Make, scope: Scope, allowed: set[str]) -> None:
    headers = make_key("ada", scope)
    for method, path in addresses(service):
        if path in OPEN:
            continue
        wanted = "admin" if path == "/metrics" else "read" if method == "GET" else "submit"
        response = service.request(method, filled(path), headers=headers)
        if wanted in allowed:
            assert response.status_code not in (401, 403), (method, path)
        else:
            problem(response, 403, "scope_missing", None, f"`{wanted}`")
            assert f'scope="{wanted}"' in response.headers["www-authenticate"]


def test_the_store_holds_no_key(raw: redis.Redis, keyring: Keyring, make_client: MakeClient) -> None:
    text, key = keyring.create("ada", ["read"])
    secret = text.split("_", 2)[2]
    assert len(secret) == 43 and key.id in text, "32 random bytes"
    assert make_client().get("/v1/jobs", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    everything = f"{raw.keys()} {raw.hgetall('surety:keys')}"
    assert key.sha256 in everything and secret not in everything and secret not in repr(keyring.all())
    texts = {keyring.create("ada", ["read"])[0] for _ in range(50)}
    assert len(texts) == 50


def test_keys_are_compared_in_constant_time(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """What decides is hmac.compare_digest, on digests of one length: with it broken any secret is let in."""
    text, key = keyring.create("ada", ["read"])
    wrong = text[:24] + "A" * 43
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(keys, "compare_digest", lambda a, b: seen.append((a, b)) or True)
    assert keyring.find(wrong) == key
    assert [len(part) for pair in seen for part in pair] == [64, 64]
    monkeypatch.undo()
    assert keyring.find(wrong) is None and keyring.find(text) == key


@pytest.mark.parametrize("owner", ["", "a b", "a:b", "a\nb", "ä", "a" * 65, "a/b"])
def test_owners_are_plain_names(keyring: Keyring, owner: str) -> None:
    """They become parts of Redis's keys, where ':' and new lines separate."""
    with pytest.raises(ValueError, match="An owner is"):
        keyring.create(owner, ["read"])
    with pytest.raises(ValueError, match="scopes submit, read, admin"):
        keyring.create("ada", [])


# Owners


def finish(store: JobStore, job_id: str) -> None:
    claim = store.claim(job_id, "w")
    assert isinstance(claim, Claim)
    assert store.finish(job_id, claim.attempt, b"{}", {"map.npz": b"PK"})


@pytest.mark.parametrize("done", [False, True])
def test_a_job_of_somebody_else_is_as_unknown_as_any(
    service: Client, store: JobStore, make_key: Make, done: bool
) -> None:
    """Every address of a job and of a batch answers byte for byte as for an id that never was, and changes nothing."""
    ada, bob, admin = make_key("ada"), make_key("bob"), make_key("root", "admin")
    job = post(service, ada).json()
    batch = service.post("/v1/batches", files=[("image", ("a.png", PNG))] * 2, headers=ada).json()
    if done:
        finish(store, job["id"])
    tried = 0
    for method, path in addresses(service):
        if "{job_id}" not in path and "{batch_id}" not in path:
            continue
        known = job["id"] if "{job_id}" in path else batch["id"]
        for name in ("map.npz", "image", "result"):
            theirs, none = (
                service.request(method, path.format(job_id=one, batch_id=one, name=name), headers=bob)
                for one in (known, UNKNOWN)
            )
            assert theirs.status_code == none.status_code in (404, 204), (method, path)
            assert theirs.text.replace(known, UNKNOWN) == none.text
            tried += 1
    assert tried >= 27
    for headers in (ada, admin):
        assert service.get(f"/v1/jobs/{job['id']}", headers=headers).json()["state"] == (
            "succeeded" if done else "queued"
        )
        assert service.get(f"/v1/batches/{batch['id']}", headers=headers).json()["counts"]["queued"] == 2


def test_a_list_shows_ones_own_jobs_and_an_admin_all(service: Client, make_key: Make) -> None:
    ada, bob, admin = make_key("ada"), make_key("bob"), make_key("root", "admin")
    made = {name: {post(service, key).json()["id"] for _ in range(3)} for name, key in (("ada", ada), ("bob", bob))}

    def listed(headers: Headers) -> set[str]:
        found, address = set(), "/v1/jobs?limit=1"
        while address:
            page = service.get(address, headers=headers).json()
            found |= {job["id"] for job in page["jobs"]}
            address = page["next"]
        return found

    assert listed(ada) == made["ada"] and listed(bob) == made["bob"]
    assert listed(admin) == made["ada"] | made["bob"]
    assert listed(make_key("ada")) == made["ada"], "jobs are of an owner, whichever key it uses"


def test_the_same_idempotency_key_of_two_owners_is_two_jobs(service: Client, make_key: Make) -> None:
    ada, bob = make_key("ada"), make_key("bob")
    jobs = [post(service, key, **{"Idempotency-Key": "scan-1"}).json()["id"] for key in (ada, bob, ada)]
    assert jobs[0] != jobs[1] and jobs[0] == jobs[2]


def test_a_job_keeps_its_owner(service: Client, store: JobStore, make_key: Make) -> None:
    assert store.get(post(service, make_key("ada")).json()["id"]).owner == "ada"


def test_that_a_job_has_expired_is_told_to_its_owner_only(
    service: Client, store: JobStore, raw: redis.Redis, make_key: Make
) -> None:
    ada, bob, admin = make_key("ada"), make_key("bob"), make_key("root", "admin")
    job_id = post(service, ada).json()["id"]
    finish(store, job_id)
    raw.delete(f"surety:job:{job_id}")
    for headers, status, code in ((ada, 410, "job_expired"), (admin, 410, "job_expired"), (bob, 404, "job_not_found")):
        problem(service.get(f"/v1/jobs/{job_id}", headers=headers), status, code)


def test_jobs_made_without_a_key_are_not_those_of_a_key(client: Client, make_key: Make) -> None:
    ada = make_key("ada")
    anonymous, hers = post(client, {}).json()["id"], post(client, ada).json()["id"]
    assert client.get(f"/v1/jobs/{hers}").status_code == 404
    assert client.get(f"/v1/jobs/{anonymous}", headers=ada).status_code == 404
    assert client.get("/metrics").status_code == 200 and client.get("/metrics", headers=ada).status_code == 403


def test_ids_are_128_random_bits(client: Client) -> None:
    ids = [post(client, {}).json()["id"] for _ in range(40)]
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in ids) and len(set(ids)) == 40
    assert len({one[place] for one in ids for place in (0, 12, 16, 31)}) > 8, "no part is a version or a counter"


def test_a_key_says_who_it_is_but_not_what_it_is() -> None:
    key = ApiKey(id="a", owner="b", scopes=("read",), created_at=datetime.now(UTC), sha256="c")
    assert key.may("read") and not key.may("submit") and not key.may("admin")
    secret = f"whsec_{'A' * 32}"
    assert secret not in repr(Settings(api_key=secret, webhook_secret=secret))
    with pytest.raises(ValueError, match="webhook_secret") as caught:
        Settings(webhook_secret=f"{secret} ")
    assert secret not in str(caught.value)
