"""The values of interest: from the values of a modality to how bright they are shown, as the file says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worker.dicom.groups import Groups, first_item, number
from worker.dicom.lut import Lut

Values = NDArray[np.float64]
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def shown(groups: Groups, values: Values, padding: NDArray[np.bool_] | None, steps: list[str]) -> Values:
    """Brightness in [0,1]. Without window or table the real values, padding aside, fill the range."""
    if item := first_item(groups.dataset, "VOILUTSequence"):
        steps.append("VOI LUT, its least entry to 0 and its greatest to 1")
        return Lut.of(item, groups.dataset).stretched().apply(values)
    found = groups.holding("FrameVOILUTSequence", "WindowCenter", "WindowWidth")
    if found is not None:
        function = str(found.get("VOILUTFunction") or "LINEAR").upper()
        function = function if function in FUNCTIONS else "LINEAR"
        center, width = number(found, "WindowCenter", 0.0), number(found, "WindowWidth", 0.0)
        if width >= (1.0 if function == "LINEAR" else np.finfo(np.float32).tiny):
            steps.append(f"window {center:g}/{width:g} {function}")
            return window(values, center, width, function)
    real = values if padding is None else values[~padding]
    low, high = (float(real.min()), float(real.max())) if real.size else (0.0, 0.0)
    steps.append(f"no window: {low:g} to {high:g}, the least and the greatest value, to 0 to 1")
    return np.clip((values - low) / (high - low or 1.0), 0, 1)


def window(values: Values, center: float, width: float, function: str) -> Values:
    """The three functions of PS3.3 C.11.2.1.2 and C.11.2.1.3, with 0 and 1 as the ends of the range."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    low, span = center - width / 2, width - (function == "LINEAR")
    if span == 0:
        return (values > low).astype(np.float64)
    return np.clip((values - low) / span, 0, 1)
