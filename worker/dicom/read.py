"""The data set of a DICOM file, and the stored values of one of its frames."""

from __future__ import annotations

import io

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array

from worker.contract.dicom import MOST_VALUES, PIXELS, DicomHeader, read_header
from worker.contract.image import quietly
from worker.contract.transfer_syntax import COMPRESSED
from worker.dicom.compressed import take

# Not what pydicom finds installed: a decoder under the GPL must never be taken.
DECODERS = {
    "JPEG Baseline": "pillow",
    "JPEG Extended": "pillow",
    "JPEG-LS Lossless": "pyjpegls",
    "JPEG-LS Near-lossless": "pyjpegls",
    "JPEG 2000 Lossless": "pylibjpeg",
    "JPEG 2000": "pylibjpeg",
    "HTJ2K Lossless": "pylibjpeg",
    "HTJ2K Lossless RPCL": "pylibjpeg",
    "HTJ2K": "pylibjpeg",
    "RLE Lossless": "pydicom",
}


def header(data: bytes) -> Dataset:
    """The file's data set up to its pixel data, with its file meta information.

    Raises an ImageError for what is no DICOM image, or has more elements, or deeper ones, than an image needs.
    """
    read_header(data, MOST_VALUES)
    with quietly():
        return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)


def stored_values(data: bytes, claimed: DicomHeader, index: int) -> tuple[Dataset, NDArray[np.integer]]:
    """The data set and the values of frame `index`, counted from 0: [rows, columns] or [rows, columns, 3], then RGB.

    Nothing of the other frames is decoded. `claimed` is what the checked header of the file says.
    """
    dataset = header(data)
    with quietly():
        if plugin := DECODERS.get(COMPRESSED.get(claimed.syntax, ""), ""):
            pixels = encapsulate([take(data, dataset, claimed, index)])
            dataset.NumberOfFrames, index = 1, 0
        else:
            pixels = data[claimed.start : claimed.start + claimed.length]
        dataset.add_new(PIXELS, claimed.vr, pixels)
        values = pixel_array(dataset, index=index, decoding_plugin=plugin)
        del dataset.PixelData
    return dataset, values
