"""The transfer syntaxes of DICOM, ways to pack a data set and its pixels: which are read, and which are not."""

from __future__ import annotations

import re

from worker.contract.elements import Scan, damaged, text
from worker.contract.errors import DicomNoPicture, DicomTransferSyntax

# Those a permissively licensed decoder is there for, and the name that people know them by.
UNCOMPRESSED = {
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    "1.2.840.10008.1.2.1": "Explicit VR Little Endian",
    "1.2.840.10008.1.2.2": "Explicit VR Big Endian",
}
COMPRESSED = {
    "1.2.840.10008.1.2.4.50": "JPEG Baseline",
    "1.2.840.10008.1.2.4.51": "JPEG Extended",
    "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS Near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 Lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K Lossless",
    "1.2.840.10008.1.2.4.202": "HTJ2K Lossless RPCL",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
    "1.2.840.10008.1.2.5": "RLE Lossless",
}
REFUSED = {
    "1.2.840.10008.1.2.1.99": "Deflated Explicit VR Little Endian, which may unpack to any size,",
    "1.2.840.10008.1.2.4.57": "JPEG Lossless",
    "1.2.840.10008.1.2.4.70": "JPEG Lossless SV1",
}
BIG_ENDIAN = "1.2.840.10008.1.2.2"
TRANSFER_SYNTAX = 0x00020010


def read_syntax(data: bytes, at: int) -> tuple[str, int]:
    """The UID from the file meta information, which begins at `at`, and where that ends. Raises an ImageError if files
    like this are not read."""
    found, first = Scan(data, "<").until(at, lambda tag: tag >> 16 != 2)
    syntax = text(data, found.get(TRANSFER_SYNTAX))
    if not re.fullmatch(r"[0-9.]{1,64}", syntax):
        raise damaged("its file meta information names no transfer syntax")
    if syntax not in UNCOMPRESSED and syntax not in COMPRESSED:
        raise not_read(REFUSED.get(syntax, "The transfer syntax"), syntax)
    if first is None:
        raise DicomNoPicture("The DICOM file has no data set after its file meta information.")
    return syntax, first.at


def not_read(what: str, syntax: str) -> DicomTransferSyntax:
    return DicomTransferSyntax(
        f"{what} ({syntax}) is not read here. Ask the archive for Explicit VR Little Endian (1.2.840.10008.1.2.1), or "
        "convert the file with dcmconv, dcmdjpeg or gdcmconv --raw."
    )
