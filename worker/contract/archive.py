"""Archives as the operator names them, and references to what is in them. A client gives a name, and never a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, Self
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from worker.contract.settings import Settings

NAME = r"^[a-z0-9-]{1,32}$"
Uid = Annotated[str, Field(pattern=r"^[0-9.]{1,64}$")]
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# What Surety's own objects say of themselves.
MANUFACTURER = "Surety"
# Segmentation, label map, parametric map, RT dose: pixels that no camera saw.
_DERIVED = frozenset(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("66.4", "66.7", "30", "481.2"))
_FROM = "from the archive "
_BEGIN = b'{"archive":'


class ArchivesError(Exception):
    """The file of SURETY_ARCHIVES cannot be used; the message says why."""


class Archive(BaseModel):
    """A DICOMweb archive. The password stays in its file until it is sent, and so in no log and no error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    insecure: bool = False

    @model_validator(mode="after")
    def _sound(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("url: write http(s)://HOST[:PORT]/PATH, for Orthanc .../dicom-web")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url: a user belongs into `user`, a password into the file of `password_file`")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not self.insecure:
            raise ValueError("url: http sends patient data in the clear; use https, or say insecure: true")
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together")
        return self


class Reference(BaseModel):
    """An image in an archive. Without `instance` or `series`: the only image there is in the series or the study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    archive: Annotated[str, Field(pattern=NAME)]
    study: Uid
    series: Uid | None = None
    instance: Uid | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.instance and not self.series:
            raise ValueError("an instance is named together with its series")
        return self

    @property
    def origin(self) -> str:
        """The step of the provenance that says where the image came from."""
        return f"{_FROM}{self.archive}"

    def to_bytes(self) -> bytes:
        """What stands in the place of an image's bytes until a worker fetches them. No image reads like it: one that
        has DICOM's mark at byte 128 has letters where a reference has none."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """The reference that these bytes are; None for those of an image."""
        try:
            return cls.model_validate_json(data) if data.startswith(_BEGIN) else None
        except ValidationError:
            return None


class Entry(NamedTuple):
    """One instance in an archive, as a search tells it."""

    series: str
    instance: str
    modality: str
    sop_class: str
    manufacturer: str
    rows: int

    @property
    def image(self) -> bool:
        """Whether it shows a patient: not what somebody derived from an image, and nothing of Surety's own."""
        return self.rows > 0 and self.sop_class not in _DERIVED and self.manufacturer != MANUFACTURER

    def reference(self, archive: str, study: str) -> Reference:
        return Reference(archive=archive, study=study, series=self.series, instance=self.instance)


def processing(steps: Sequence[str]) -> list[str]:
    """The steps without where the image came from: what was done to its bytes."""
    return [step for step in steps if not step.startswith(_FROM)]


_FILE = TypeAdapter(dict[Annotated[str, Field(pattern=NAME)], Archive])


def archives(settings: Settings) -> Mapping[str, Archive]:
    """The archives of SURETY_ARCHIVES by name; none without it. Raises ArchivesError."""
    if settings.archives is None:
        return {}
    try:
        return _FILE.validate_python(yaml.safe_load(settings.archives.read_text()) or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(re.sub(r"[^\w.-]", "?", str(part)) for part in first["loc"])
        reason = f"{at}: {first['msg'].removeprefix('Value error, ')}"
    except (OSError, UnicodeError) as error:
        reason = f"it cannot be read ({type(error).__name__})"
    except yaml.YAMLError:
        reason = "it is not YAML"
    raise ArchivesError(f"SURETY_ARCHIVES: {settings.archives}: {reason}. docs/clinic.md shows one.")
