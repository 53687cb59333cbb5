"""Child processes that never outlive us: on Linux the kernel signals them when we die, even by kill -9.

`spawn` runs this file as a small program between fork and exec, because code of ours must not run in the child of a
process with threads (preexec_fn may deadlock). The program asks for the signal, checks that we are still there and
becomes the command, under the same pid.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

_PR_SET_PDEATHSIG = 1
# The kernel's "parent" is the thread that forked, not the process. This one thread lives as long as the process.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


def spawn(
    command: Sequence[str],
    *,
    on_death: signal.Signals,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts `command` in a session of its own, so that a Ctrl+C at the terminal reaches us alone and we stop it."""
    launcher = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(on_death)), *command]
    return _SPAWNER.submit(
        subprocess.Popen,
        launcher,
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    ).result()


def end(process: subprocess.Popen[bytes], patience: float) -> None:
    """The process is gone on return: asked by SIGTERM, then, after `patience` seconds, killed with its session."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _main(parent: int, death_signal: int, command: list[str]) -> None:
    if sys.platform == "linux":
        import ctypes

        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the kernel knew our wish
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is the point: the command is ours, as a list


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
