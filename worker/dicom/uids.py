"""Who wrote an object, and UIDs that are the same whenever the same thing is written."""

from __future__ import annotations

from uuid import NAMESPACE_OID, UUID, uuid5

from pydicom import Dataset
from pydicom.uid import UID

from worker.contract.archive import MANUFACTURER

_OURS: UUID = uuid5(NAMESPACE_OID, "Surety's DICOM objects, 1")


def derived(*parts: str) -> UID:
    """A UID under 2.25, the root for UUIDs, that depends on these parts and on nothing else."""
    return UID(f"2.25.{uuid5(_OURS, chr(0).join(parts)).int}")


def made_by_us(dataset: Dataset) -> bool:
    """Whether Surety wrote the object: explaining it would explain an explanation."""
    return str(dataset.get("Manufacturer", "")).strip() == MANUFACTURER
