"""surety bridge: every new study of an archive is explained, and the results are stored beside it."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.client import Client, Refused, Unreachable
from worker.cli.console import console, stop
from worker.cli.explain import read_spec, service_url
from worker.cli.studies import Later, Misfit, Studies
from worker.contract.archive import ArchivesError, archives
from worker.contract.errors import ArchiveRefused, ArchiveUnavailable
from worker.contract.settings import Settings
from worker.dicom.archive import ArchiveClient
from worker.dicom.orthanc import Orthanc

Modalities = Annotated[list[str] | None, typer.Option("--modality", help="only these, such as DX; may be repeated")]


class Cursor:
    """How far the changes of an archive were followed, in a file that is whole at every moment."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def place(self) -> int | None:
        """None before the first time. Raises ValueError."""
        text = self._file.read_text().strip() if self._file.exists() else None
        if text is not None and not text.isdecimal():
            raise ValueError(f"{self._file} is damaged. Without it the bridge begins at the archive's first study.")
        return None if text is None else int(text)

    def move(self, place: int) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(place))
        fresh.replace(self._file)


def bridge(
    archive: Annotated[str, typer.Option(help="an Orthanc of SURETY_ARCHIVES")],
    url: Annotated[
        str | None, typer.Option(envvar="SURETY_URL", help="the service; default: the one `surety serve` runs")
    ] = None,
    spec: Annotated[Path | None, typer.Option(help="a spec as a JSON file; default: the service's own")] = None,
    modality: Modalities = None,
    every: Annotated[float, typer.Option(min=0.1, help="seconds between two looks at the archive")] = 10.0,
    only_new: Annotated[bool, typer.Option("--only-new", help="at the first start, pass over what is there")] = False,
    once: Annotated[bool, typer.Option("--once", help="end when everything that is stable is done")] = False,
) -> None:
    """Explain what arrives in an archive and store the results there, until Ctrl-C. Research use only."""
    settings = Settings()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        known = archives(settings)
        if archive not in known:
            stop(f"There is no archive {archive!r}.", hint=f"SURETY_ARCHIVES names: {', '.join(known) or 'none'}.")
        cursor = Cursor(settings.state_dir / f"bridge-{archive}")
        with (
            closing(Orthanc(archive, known[archive])) as watched,
            ArchiveClient(archive, known[archive]) as pacs,
            Client(service_url(url), settings.api_key) as service,
        ):
            studies = Studies(archive, pacs, service, read_spec(spec), frozenset(modality or ()))
            _watch(watched, cursor, studies, every, only_new, once)
    except KeyboardInterrupt:
        console.print("Stopped.")
    except (ArchivesError, ArchiveRefused, Misfit, Refused, OSError, ValueError) as error:
        stop(str(error), hint=f"surety doctor --archive {archive} says more.")


def _watch(watched: Orthanc, cursor: Cursor, studies: Studies, every: float, only_new: bool, once: bool) -> None:
    """Follows the changes. What cannot be done now stays to be done: the cursor moves only past what is."""
    said = ""
    while True:
        try:
            if only_new and cursor.place is None:
                cursor.move(watched.newest())
            _follow(watched, cursor, studies)
            said = ""
        except (ArchiveUnavailable, Unreachable, Later) as error:
            if once:
                stop(str(error))
            if str(error) != said:
                console.print(f"waiting: {error}", soft_wrap=True, markup=False)
            said = str(error)
        if once:
            return
        time.sleep(every)


def _follow(watched: Orthanc, cursor: Cursor, studies: Studies) -> None:
    while True:
        since = cursor.place or 0
        page = watched.changes(since)
        if page.last < since:  # an archive that began anew counts from the start
            cursor.move(0)
            continue
        for study in page.stable:
            uid = watched.study(study.id)
            if uid and (line := studies.explain(uid)):
                console.print(f"study {study.id}: {line}", soft_wrap=True, markup=False)
            cursor.move(study.place)
        cursor.move(page.last)
        if page.done:
            return
