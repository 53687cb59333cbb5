"""Each step of the clinician's view, on made files whose picture can be written down, and against highdicom."""

from __future__ import annotations

import io
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from tests.dicom.files import MAX_PIXELS, dataset, part10
from worker.contract.errors import ImageUnreadable
from worker.contract.model import ModelInput
from worker.service.images import Decoded, decode, to_input

RAMP = np.array([[0, 100], [200, 300], [400, 500]], np.uint16)
SIGNED = np.array([[-2000, -1024], [0, 40], [240, 1000]], np.int16)


def look(pixels: NDArray[np.integer], frame: int | None = None, **attributes: Any) -> Decoded:
    return decode(part10(dataset(pixels, **attributes)), MAX_PIXELS, frame)


def item(**attributes: Any) -> Sequence:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return Sequence([made])


def lut(first: int, entries: list[int], bits: int = 16, signed: bool = False) -> Sequence:
    made = Dataset()
    made.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries), first, bits])
    made.add_new("LUTData", "US", entries)
    made.ModalityLUTType = "US"
    return Sequence([made])


WINDOW = {"WindowCenter": 250, "WindowWidth": 201}
CASES: dict[str, tuple[NDArray[np.integer], dict[str, Any], list[float], str]] = {
    "linear": (RAMP, WINDOW, [0, 0, 0.2525, 0.7525, 1, 1], "window 250/201 LINEAR"),
    "linear exact": (
        RAMP,
        {**WINDOW, "VOILUTFunction": "LINEAR_EXACT"},
        [0, 0, 50.5 / 201, 150.5 / 201, 1, 1],
        "EXACT",
    ),
    "sigmoid": (
        RAMP,
        {**WINDOW, "VOILUTFunction": "SIGMOID"},
        [1 / (1 + np.exp(-4 * (x - 250) / 201)) for x in RAMP.astype(float).flat],
        "window 250/201 SIGMOID",
    ),
    "first window": (
        RAMP,
        {"WindowCenter": [250, 9], "WindowWidth": [201, 9]},
        [0, 0, 0.2525, 0.7525, 1, 1],
        "window 250/201",
    ),
    "rescaled": (
        SIGNED,
        {"RescaleSlope": 2, "RescaleIntercept": -10, "WindowCenter": 40.5, "WindowWidth": 401},
        [0, 0, 150 / 400, 230 / 400, 1, 1],
        "rescale slope 2 intercept -10",
    ),
    "monochrome1": (
        RAMP,
        {**WINDOW, "PhotometricInterpretation": "MONOCHROME1"},
        [1, 1, 0.7475, 0.2475, 0, 0],
        "MONOCHROME1 inverted",
    ),
    "inverse shape": (
        RAMP,
        {**WINDOW, "PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        [1, 1, 0.7475, 0.2475, 0, 0],
        "MONOCHROME1 inverted",
    ),
    "modality LUT": (
        np.array([[1, 2, 3]], np.uint8),
        {"ModalityLUTSequence": lut(2, [100, 300]), "WindowCenter": 200.5, "WindowWidth": 401},
        [0.25, 0.25, 0.75],
        "modality LUT",
    ),
    "VOI LUT": (
        RAMP,
        {"VOILUTSequence": lut(100, list(range(1000, 1301)))},
        [0, 0, 1 / 3, 2 / 3, 1, 1],
        "VOI LUT",
    ),
    "signed VOI LUT": (
        SIGNED,
        {"VOILUTSequence": lut(-1024, list(range(2025)), signed=True), "RescaleSlope": 1, "RescaleIntercept": 0},
        [0, 0, 1024 / 2024, 1064 / 2024, 1264 / 2024, 1],
        "VOI LUT",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_picture_is_what_the_attributes_say_and_what_highdicom_shows(name: str) -> None:
    pixels, attributes, expected, step = CASES[name]
    made = dataset(pixels, **attributes)
    data = part10(made)
    decoded = decode(data, MAX_PIXELS)
    assert decoded.pixels.flatten().tolist() == pytest.approx(expected, abs=1e-6)
    assert step in "; ".join(decoded.steps)
    image = highdicom.Image.from_dataset(pydicom.dcmread(io.BytesIO(data)))
    shown = image.get_frame(1, apply_voi_transform=True, apply_presentation_lut=True, dtype=np.float64)
    assert shown.flatten().tolist() == pytest.approx(expected, abs=0.002 if name == "rescaled" else 1e-6)


def test_padding_is_black_and_counts_for_nothing() -> None:
    decoded = look(SIGNED, PixelPaddingValue=-2000)
    assert decoded.pixels.flatten().tolist() == pytest.approx([0, 0, 1024 / 2024, 1064 / 2024, 1264 / 2024, 1])
    assert decoded.steps[1:] == [
        "no window: -1024 to 1000, the least and the greatest value, to 0 to 1",
        "padding -2000 to black",
    ]
    ranged = look(
        SIGNED, PixelPaddingValue=-1000, PixelPaddingRangeLimit=-3000, PhotometricInterpretation="MONOCHROME1"
    )
    assert ranged.pixels.flatten().tolist() == pytest.approx([0, 0, 1, 0.96, 0.76, 0])
    assert "padding -3000 to -1000 to black" in ranged.steps
    assert "padding" not in str(look(RAMP, PixelPaddingValue=7).steps)
    assert not look(np.full((2, 2), 9, np.uint8), PixelPaddingValue=9).pixels.any()


def test_a_frame_has_its_own_window_and_slope() -> None:
    frames = np.stack([RAMP, RAMP + 1000])
    own = [
        Dataset.from_json({}),
        Dataset.from_json({}),
    ]
    for number, place in enumerate(own):
        place.PixelValueTransformationSequence = item(RescaleIntercept=-1000 * number, RescaleSlope=1, RescaleType="US")
        place.FrameVOILUTSequence = item(WindowCenter=250 + number, WindowWidth=201)
    attributes = {"PerFrameFunctionalGroupsSequence": Sequence(own)}
    first, second = (look(frames, number, **attributes) for number in (1, 2))
    assert first.pixels.flatten().tolist() == pytest.approx([0, 0, 0.2525, 0.7525, 1, 1])
    assert second.pixels.flatten().tolist() == pytest.approx([0, 0, 0.2475, 0.7475, 1, 1])
    assert second.steps[1:] == ["frame 2 of 2", "rescale slope 1 intercept -1000", "window 251/201 LINEAR"]


def test_colour_palette_and_planes() -> None:
    colour = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
    expected = np.moveaxis(colour, -1, 0).astype(np.float32) / 255
    assert np.array_equal(look(colour).pixels.numpy(), expected)
    planes = dataset(colour, PlanarConfiguration=1, PixelData=np.moveaxis(colour, -1, 0).tobytes())
    assert np.array_equal(decode(part10(planes), MAX_PIXELS).pixels.numpy(), expected)
    palette: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for number, name in enumerate(("Red", "Green", "Blue")):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [4, 1, 8]
        palette[f"{name}PaletteColorLookupTableData"] = bytes([0, 51, 102, 255 - number])
    decoded = look(np.array([[0, 1, 2, 300]], np.uint16), **palette)
    assert np.allclose(decoded.pixels[:, 0, :3], np.array([0, 0, 0.2]))
    assert decoded.pixels[:, 0, 3].tolist() == pytest.approx([1, 254 / 255, 253 / 255])


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_signed_pixels_come_out_of_every_codec_the_same(syntax: str) -> None:
    grid = (np.arange(4096, dtype=np.int16).reshape(64, 64) - 1000) * 7
    window = {"WindowCenter": 100, "WindowWidth": 900}
    made = dataset(grid, **window)
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.set_original_encoding(False, True)
    made.compress(syntax, generate_instance_uid=False)
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    assert np.array_equal(decode(file.getvalue(), MAX_PIXELS).pixels, look(grid, **window).pixels)


@pytest.mark.parametrize(
    "attributes",
    [
        {"RescaleSlope": "1e308", "RescaleIntercept": "0"},
        {"VOILUTSequence": item(LUTDescriptor=[400, 0, 16], LUTData=b"ab")},
        {"PixelRepresentation": 7},
    ],
)
def test_attributes_that_make_no_sense_are_refused(attributes: dict[str, Any]) -> None:
    with pytest.raises(ImageUnreadable):
        look(RAMP * 130, **attributes)


def test_a_window_without_width_is_none() -> None:
    assert "no window: 0 to 500" in str(look(RAMP, WindowCenter=20, WindowWidth=0).steps)


def test_no_step_names_a_patient_or_an_instance() -> None:
    made = dataset(RAMP, PatientName="Doe^Jane", Modality="DOE JANE", **WINDOW)
    steps = "; ".join(decode(part10(made), MAX_PIXELS).steps)
    assert not any(word in steps for word in ("Doe", "DOE", "4711", made.SOPInstanceUID, made.StudyInstanceUID))
    assert steps.startswith(
        "decoded DICOM OT 2x3 MONOCHROME2, 16 bits, Explicit VR Little Endian (1.2.840.10008.1.2.1)"
    )


def test_the_centre_cut_is_placed_in_the_decoded_picture() -> None:
    wanted = ModelInput(channels=1, height=8, width=8, mean=(0.0,), std=(1.0,))
    whole = look(np.zeros((20, 30), np.uint8))
    assert whole.placement == (0, 0, 20, 30, 20, 30)
    assert to_input(whole, wanted).placement == (0, 5, 20, 20, 20, 30)
