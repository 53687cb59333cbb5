"""What is safe without anybody having to think of it: no CORS, no sniffing, no pickle, little power to a container."""

from __future__ import annotations

import ast
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from app.body import BodyLimit
from tests.api.client import Client
from tests.api.conftest import MakeClient, Post
from tests.conftest import REPOSITORY
from worker.contract.settings import Settings
from worker.service.server import RedisServer
from worker.store.courier import Courier, make_celery
from worker.store.desk import Desk
from worker.store.orders import Claim

SOURCES = [path for folder in ("app", "worker", "models") for path in sorted((REPOSITORY / folder).rglob("*.py"))]
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
ORIGIN = {"Origin": "https://evil.example"}


def test_no_other_site_may_read_an_answer(client: Client, post: Post) -> None:
    preflight = {**ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answers = [
        client.get("/v1/jobs", headers=ORIGIN),
        client.get("/openapi.json", headers=ORIGIN),
        post(**ORIGIN),
        client.request("OPTIONS", "/v1/explanations", headers=preflight),
        client.request("OPTIONS", "/v1/jobs", headers=preflight),
    ]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert [answer.status_code for answer in answers[-2:]] == [405, 405]


def test_no_browser_guesses_what_an_answer_is(
    client: Client, post: Post, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers of every kind: JSON, text, an artifact, a page, and problems, also of the outermost layers."""
    job_id = post().json()["id"]
    store = client.app.state.surety.store
    claim = store.claim(job_id, "w")
    assert isinstance(claim, Claim) and store.finish(job_id, claim.attempt, b"{}", {"map.npz": b"<html>"})
    paths = ["/v1/jobs", "/metrics", f"/v1/jobs/{job_id}/artifacts/map.npz", f"/v1/jobs/{job_id}/events"]
    paths += ["/docs", "/nowhere", "/health/live", "/health/ready", "/v1/jobs/x", "/v1/jobs?limit=x"]
    answers = [client.get(path) for path in paths]
    answers += [client.delete("/v1/jobs"), post(b"x" * 2**17), make_client(allow_anonymous=None).get("/v1/jobs")]
    monkeypatch.setattr(store, "jobs", None)
    answers.append(client.get("/v1/jobs"))
    assert {answer.status_code for answer in answers} >= {200, 401, 404, 405, 413, 422, 500, 503}
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff", answer.url
    assert answers[2].headers["content-type"] == "application/octet-stream"


def test_a_service_says_nothing_about_its_server(client: Client) -> None:
    assert "server" not in client.get("/health/live").headers and "x-powered-by" not in client.get("/nowhere").headers
    assert BodyLimit in [layer.cls for layer in client.app.user_middleware]


def test_no_pickle_anywhere() -> None:
    """Not in messages, nor in arrays, nor in weights (tests/architecture looks at the imports)."""
    settings = Settings(redis_url="redis://nowhere")
    conf = make_celery(settings).conf
    assert conf.accept_content == ["json"] and conf.task_serializer == conf.result_serializer == "json"
    loads = 0
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if (owner, node.func.attr) in {("np", "load"), ("np", "save"), ("np", "savez"), ("np", "savez_compressed")}:
                loads += 1
                refused = given.get("allow_pickle")
                if node.func.attr == "load":
                    assert isinstance(refused, ast.Constant) and refused.value is False, f"{source}:{node.lineno}"
            assert (owner, node.func.attr) not in {("yaml", "load"), ("torch", "load"), ("torch", "save")}, source
            assert node.func.attr != "system" and "shell" not in given, f"{source}:{node.lineno}"
    assert loads, "this test looks at something"


def test_a_message_with_a_pickle_is_not_opened(tmp_path: Path) -> None:
    """As somebody would send it who got into the broker."""
    from kombu.exceptions import ContentDisallowed
    from kombu.serialization import loads

    opened = tmp_path / "opened"
    body = f"cposix\nsystem\n(S'touch {opened}'\ntR.".encode()
    accept = make_celery(Settings(redis_url="redis://nowhere")).conf.accept_content
    for kind in ("application/x-python-serialize", "pickle", "application/x-yaml"):
        with pytest.raises(ContentDisallowed):
            loads(body, kind, "binary", accept=accept)
    assert not opened.exists()


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_has_little_power(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & service.keys()
    assert not [mount for mount in service.get("volumes", []) if mount.startswith(("/", ".", "~"))], (
        "none of the host's"
    )
    if "user" in service:
        assert int(service["user"].partition(":")[0]) > 0
    else:
        users = re.findall(r"^USER (.*)$", (REPOSITORY / service["build"]["dockerfile"]).read_text(), re.MULTILINE)
        assert users and int(users[-1]) > 0


def test_what_is_published_without_keys_is_published_on_loopback() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:${SURETY_PORT:-8000}:8000", "127.0.0.1:${SURETY_ORTHANC_PORT:-8042}:8042"]
    assert "ports" not in COMPOSE["services"]["redis"]
    assert COMPOSE["services"]["api"]["environment"]["SURETY_ALLOW_ANONYMOUS"] == "${SURETY_ALLOW_ANONYMOUS:-true}"


def test_only_its_user_reaches_the_embedded_server(url: str) -> None:
    socket = Path(url.removeprefix("unix://").partition("?")[0])
    assert stat.S_ISSOCK(socket.stat().st_mode) and stat.S_IMODE(socket.stat().st_mode) == 0o700
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_the_service_works_for_a_redis_user_without_power(tmp_path: Path) -> None:
    """The access list of docs/security.md: enough for a job from its POST to its DELETE, too little for harm."""
    rules = re.search(r"^user surety on >PASSWORD (.*)$", (REPOSITORY / "docs/security.md").read_text(), re.MULTILINE)
    assert rules
    with RedisServer(Settings(redis_url=None, state_dir=tmp_path)) as url, redis.Redis.from_url(url) as root:
        root.acl_setuser("surety", enabled=True, passwords=["+secret"], reset=True)
        root.execute_command("ACL", "SETUSER", "surety", *rules[1].split())
        settings = Settings(redis_url=url.replace("unix://", "unix://surety:secret@"))
        store = Desk(settings)
        courier = Courier(settings)
        job_id = store.create("explanation", "{}", b"image", digest="d", idempotency_key="k", total=1).id
        store.announce("w", "[]")
        store.admit("a", 1, 1, 1.0)
        claim = store.claim(job_id, "w")
        assert isinstance(claim, Claim) and store.beat(job_id, claim.attempt, 1, 1, b"c") == "ok"
        assert store.finish(job_id, claim.attempt, b"{}", {}) and store.reconcile() == [] and store.jobs()[0]
        assert store.backlog().queued == 0 and store.workers() == ["w"]
        assert courier.send(job_id)
        store.delete(job_id)
        with redis.Redis.from_url(settings.redis_url or "") as user:
            for command in (
                ["CONFIG", "GET", "*"],
                ["FLUSHALL"],
                ["KEYS", "*"],
                ["ACL", "LIST"],
                ["SHUTDOWN"],
                ["REPLICAOF", "NO", "ONE"],
            ):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    user.execute_command(*command)
        store.close()
        courier.close()


def test_every_test_that_the_security_page_names_is_there() -> None:
    page = (REPOSITORY / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[a-z_/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 20
    for file, test in named:
        assert not test or re.search(rf"^(async )?def {test}\(", (REPOSITORY / file).read_text(), re.MULTILINE), (
            file,
            test,
        )
