"""Waiting for something, and the processes below one of ours."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path


class Broken(Exception):
    """What must hold does not; the text says what."""


def demand(holds: object, what: str) -> None:
    if not holds:
        raise Broken(what)


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60.0) -> float:
    """How long it took until the condition held. Raises Broken when it does not in time."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise Broken(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def command(pid: int) -> str:
    """The command line of a process; empty when it is gone or dead."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """The living descendants of a process, parents first."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = [int(child) for child in task.read_text().split()]
        except OSError:  # the thread has just ended
            continue
        for child in below:
            found += [child, *children(child)]
    return [child for child in found if command(child)]


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    """The signal to all of them that are still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
