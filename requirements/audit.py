"""Ask pip-audit about every locked package, and believe it only if it looked at all of them.

pip-audit ends with 0 also for packages that it skipped, and it skips what it cannot ask its database about: away from
the network it has "no known vulnerabilities" to report of anything. Ends with

    0  every package was looked up, none has a known vulnerability
    1  there are known vulnerabilities
    2  some packages were skipped: nobody knows about those
    3  not audited: there was no answer at all
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CLEAN, VULNERABLE, SKIPPED, NOT_AUDITED = range(4)


def audit(lock: Path, program: str) -> tuple[int, list[str]]:
    """The verdict on one lock file, and the lines that say why."""
    command = [program, "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json", "-r", str(lock)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired) as error:
        return NOT_AUDITED, [f"pip-audit did not run: {error}"]
    except (ValueError, KeyError):
        return NOT_AUDITED, [f"pip-audit gave no report; it ended with {done.returncode}: {done.stderr[-500:].strip()}"]
    bad = [f"{one['name']} {one['version']}: {_ids(one['vulns'])}" for one in packages if one.get("vulns")]
    skipped = [f"skipped {one['name']}: {one['skip_reason']}" for one in packages if "skip_reason" in one]
    if bad:
        return VULNERABLE, bad + skipped
    if len(skipped) == len(packages):
        return NOT_AUDITED, [f"all {len(packages)} packages were skipped", *skipped[:1]]
    if skipped or done.returncode:
        return SKIPPED, skipped or [f"pip-audit ended with {done.returncode}: {done.stderr[-500:].strip()}"]
    return CLEAN, [f"{len(packages)} packages, none with a known vulnerability"]


def _ids(vulnerabilities: Iterable[dict[str, Any]]) -> str:
    return ", ".join(
        f"{one['id']} (fixed in {', '.join(one['fix_versions']) or 'nothing yet'})" for one in vulnerabilities
    )


def main(program: str, locks: list[Path]) -> int:
    verdicts = []
    for lock in locks:
        verdict, lines = audit(lock, program)
        word = ("clean", "VULNERABLE", "INCOMPLETE", "NOT AUDITED")[verdict]
        print(f"{lock.name}: {word}", *lines, sep="\n  ")
        verdicts.append(verdict)
    # What is known to be bad comes first, then what is not known.
    return next((worst for worst in (VULNERABLE, NOT_AUDITED, SKIPPED) if worst in verdicts), CLEAN)


if __name__ == "__main__":
    beside = str(Path(sys.executable).with_name("pip-audit"))
    # torch-cpu.lock has the torch of torch-cuda.lock under a version that no database knows.
    locks = sorted(set(HERE.glob("*.lock")) - {HERE / "torch-cpu.lock"})
    sys.exit(main(beside, [Path(one) for one in sys.argv[1:]] or locks))
