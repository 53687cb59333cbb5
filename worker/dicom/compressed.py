"""A compressed frame, taken out of its file and held against what the file claims before any decoder sees it."""

from __future__ import annotations

import io
import struct

from pydicom import Dataset
from pydicom.encaps import get_frame

from worker.contract.dicom import DicomHeader
from worker.contract.elements import MOST_ELEMENTS, damaged
from worker.contract.image import check_scans
from worker.contract.transfer_syntax import COMPRESSED, not_read
from worker.dicom import jpeg2000
from worker.dicom.codestream import BASELINE, EXTENDED, JPEG_LS, Size, jpeg_size, unpacks_to

OFFSETS, LENGTHS = 0x7FE00001, 0x7FE00002


def take(data: bytes, dataset: Dataset, claimed: DicomHeader, index: int) -> bytes:
    """The codestream of frame `index`, counted from 0. The table of offsets is taken out of the data set.

    Raises an ImageError if decoding the frame could take other, or more, than the file's header says.
    """
    tables = [bytes(dataset.pop(tag).value or b"") if tag in dataset else b"" for tag in (OFFSETS, LENGTHS)]
    _check_items(data, claimed.start)
    basic = int.from_bytes(data[claimed.start + 4 : claimed.start + 8], "little")
    if max(basic // 4, *(len(table) // 8 for table in tables)) > claimed.frames:
        raise damaged("its table of frames has more entries than there are frames")
    stream = io.BytesIO(data)
    stream.seek(claimed.start)
    extended = (tables[0], tables[1]) if all(tables) else None
    frame = get_frame(stream, index, extended_offsets=extended, number_of_frames=claimed.frames)
    name = COMPRESSED[claimed.syntax]
    try:
        if name == "RLE Lossless":
            _check_runs(frame, claimed)
            return frame
        frame = jpeg2000.bare(frame)
        size = _size(frame, name)
    except (ValueError, IndexError, struct.error):
        raise damaged(f"a frame is no {name} image, or cut into too many pieces") from None
    if name.startswith("JPEG ") and "2000" not in name and size.bits > 8:
        raise not_read(f"JPEG with {size.bits} bits a sample", claimed.syntax)
    if size[:3] != (claimed.rows, claimed.columns, claimed.samples) or size.bits > claimed.bits:
        raise damaged(f"a frame is a {name} image of another size than the file claims")
    return frame


def _check_items(data: bytes, at: int) -> None:
    """That every piece of the pixel data is there, and that they are not millions. Some writers leave the end out."""
    for _ in range(MOST_ELEMENTS):
        if at + 8 > len(data) or data[at : at + 4] == b"\xfe\xff\xdd\xe0":
            return
        at += 8 + struct.unpack_from("<L", data, at + 4)[0]
        if at > len(data):
            raise damaged("it ends inside a frame")
    raise damaged("its pixel data are in more pieces than are read")


def _size(frame: bytes, name: str) -> Size:
    if name.startswith("JPEG-LS"):
        # CharLS looks for the rest of one that was cut off for seconds.
        if frame[-8:].rstrip(b"\0")[-2:] != b"\xff\xd9":
            raise ValueError
        return jpeg_size(frame, JPEG_LS)
    if "2000" in name or "HTJ2K" in name:
        return jpeg2000.size(frame)
    check_scans(frame)
    return jpeg_size(frame, BASELINE, EXTENDED)


def _check_runs(frame: bytes, claimed: DicomHeader) -> None:
    """Two bytes of an RLE segment may unpack to 128, and pydicom unpacks all before it looks how much that is."""
    count = struct.unpack_from("<L", frame)[0]
    if count != claimed.samples * claimed.bits // 8:
        raise ValueError
    starts = [*struct.unpack_from(f"<{count}L", frame, 4), len(frame)]
    pixels = claimed.rows * claimed.columns
    if not all(unpacks_to(frame[starts[part] : starts[part + 1]], pixels) for part in range(count)):
        raise damaged("an RLE segment unpacks to more or fewer pixels than the file claims")
