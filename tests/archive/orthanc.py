"""Debian's Orthanc with its DICOMweb plugin, on loopback, with storage of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx

from tests.conftest import missing
from worker.cli.address import LOOPBACK, free_port

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "surety", "planted-password"


class Orthanc:
    """An archive whose studies are stable a second after their last instance. `stop` and `start` keep what it holds."""

    def __init__(self, folder: Path) -> None:
        program, compiler = shutil.which("Orthanc"), shutil.which("cc")
        if not program or not PLUGIN.exists():
            missing("Orthanc or its DICOMweb plugin is missing: nothing was tried on a real archive.")
        if not compiler:
            missing("A C compiler is missing: without it Orthanc would listen on all addresses, and was not started.")
        self._program = program
        self._shim = folder / "loopback.so"
        source = Path(__file__).with_name("loopback.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", self._shim, source, "-ldl"], check=True, timeout=60)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.dicom_port = free_port(LOOPBACK)
        self.root = f"http://{LOOPBACK}:{free_port(LOOPBACK)}"
        self.url = f"{self.root}/dicom-web"
        self.http = httpx.Client(base_url=self.root, auth=(USER, PASSWORD), trust_env=False)
        (folder / "orthanc.json").write_text(json.dumps(self._settings()))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.http.close()

    def start(self) -> None:
        with (self._folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, str(self._folder / "orthanc.json")],
                env={"LD_PRELOAD": str(self._shim)},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                self.http.get("/system").raise_for_status()
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline, (self._folder / "orthanc.log").read_text()[-2000:]
                time.sleep(0.05)

    def stop(self) -> None:
        """Killed, as by a power cut."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def listens_at(self) -> set[str]:
        """The addresses that this process listens at."""
        assert self._process
        lines = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
        return {line.split()[3].rpartition(":")[0] for line in lines if f"pid={self._process.pid}," in line}

    def instances(self) -> set[str]:
        """All it holds, by its own ids."""
        return set(self.http.get("/instances").raise_for_status().json())

    def _settings(self) -> dict[str, object]:
        return {
            "StorageDirectory": str(self._folder / "storage"),
            "IndexDirectory": str(self._folder / "storage"),
            "HttpPort": int(self.root.rpartition(":")[2]),
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {USER: PASSWORD},
            "DicomPort": self.dicom_port,
            "DicomAlwaysAllowStore": True,
            "StableAge": 1,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
