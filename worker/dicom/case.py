"""One explanation of one frame, and what all objects about it have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID

from worker.contract.archive import MANUFACTURER
from worker.contract.image import Placement
from worker.contract.result import Certificate, Claims
from worker.dicom import codes
from worker.dicom.maps import Maps
from worker.dicom.uids import derived

RESEARCH = "Research use only"


@dataclass(frozen=True)
class Case:
    """`source` is a header with one frame, the one that was explained: number `frame` of a source with several."""

    source: Dataset
    frame: int | None
    when: datetime
    claims: Claims
    maps: Maps
    placement: Placement

    @property
    def certificate(self) -> Certificate:
        """The one that pictures and segments show: the first."""
        return self.claims.certificates[0]

    @property
    def rho(self) -> float:
        """The radius that pictures and segments show: the smallest that was asked for."""
        return min(at.rho for at in self.certificate.radii)

    def uid(self, *names: str) -> UID:
        """The same for the same counts, spec, code, weights and source instance, whenever and wherever computed."""
        provenance = self.claims.provenance
        return derived(
            *names,
            provenance.service_version,
            provenance.code_digest,
            provenance.model_sha256,
            provenance.counts_sha256,
            self.claims.spec.model_dump_json(),
            str(self.source.SOPInstanceUID),
            str(self.frame),
        )

    def identity(self, name: str, number: int) -> dict[str, Any]:
        """Series, instance, maker and time of the object of this name: arguments of every class of highdicom.

        The time is the source's, so that an object computed again is the same to the byte.
        """
        provenance = self.claims.provenance
        return {
            "series_instance_uid": self.uid(name, "series"),
            "series_number": number,
            "series_description": f"{MANUFACTURER} {name}; {RESEARCH.lower()}",
            "sop_instance_uid": self.uid(name, "instance"),
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": MANUFACTURER,
            "software_versions": provenance.service_version,
            "device_serial_number": provenance.code_digest[:16],
            "content_date": self.when.date(),
            "content_time": self.when.time(),
            "specific_character_set": "ISO_IR 192",
            "coding_schemes": [codes.scheme()],
        }

    @property
    def laterality(self) -> str:
        """Which side of the body the source says it shows; empty if it says none."""
        side = self.source.get("Laterality") or self.source.get("ImageLaterality")
        return str(side) if side in ("L", "R") else ""
