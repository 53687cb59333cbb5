"""Write the lock files of this folder from pyproject.toml, with hashes and without index addresses.

torch comes in two builds: the default one, which on Linux needs some two dozen CUDA libraries, and
one without CUDA. So torch has locks of its own, and every other lock leaves it out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LOCKS = {
    "build.lock": ["--group=build"],
    "api.lock": ["pyproject.toml"],
    "worker.lock": ["pyproject.toml", "--extra=worker", "--extra=embedded"],
    "dev.lock": ["pyproject.toml", "--extra=worker", "--extra=embedded", "--extra=training", "--extra=dev"],
}
TORCH = re.compile(r"(nvidia-|cuda-|triton==|torch==)")


def compile_lock(sources: list[str], output: Path) -> list[str]:
    """Resolve for every platform and return the lock as blocks, one requirement with its hashes each."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.11"]
    command += ["--generate-hashes", "--no-annotate", "--no-header", "--output-file", str(output)]
    subprocess.run([*command, *sources], check=True, cwd=HERE.parent)
    return re.split(r"\n(?=\S)", output.read_text().strip())


def main() -> int:
    torch: list[str] = []
    for name, sources in LOCKS.items():
        blocks = compile_lock(sources, HERE / name)
        torch = [block for block in blocks if TORCH.match(block)] or torch
        kept = [block for block in blocks if not TORCH.match(block)]
        (HERE / name).write_text("\n".join(kept) + "\n")
    (HERE / "torch-cuda.lock").write_text("\n".join(torch) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
