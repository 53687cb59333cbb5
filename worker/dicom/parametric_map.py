"""The smoothed map as numbers, placed in the patient."""

from __future__ import annotations

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from pydicom import Dataset

from worker.dicom import codes
from worker.dicom.case import RESEARCH, Case
from worker.dicom.maps import on_frame

# The map has no value below 0: where the model saw nothing there is this instead.
UNSEEN = -1.0


def parametric_map(case: Case) -> Dataset:
    """The mean map at the frame's size, float32; UNSEEN, declared as padding, outside of what the model saw."""
    values = on_frame(case.maps.mean.astype(np.float32), case.placement, UNSEEN)
    mapping = RealWorldValueMapping(
        lut_label="SALIENCY",
        lut_explanation="Mean of the map over the noisy samples",
        unit=codes.NO_UNITS,
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=codes.SALIENCY,
    )
    result = ParametricMap(
        source_images=[case.source],
        pixel_array=values[None],
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
        content_label="SALIENCY",
        content_description=f"Smoothed saliency map; {RESEARCH.lower()}",
        content_qualification="RESEARCH",
        derivation=codes.VISUAL_EXPLANATION,
        **case.identity("map", 9004),
    )
    result.FloatPixelPaddingValue = UNSEEN
    result.FloatPixelPaddingRangeLimit = UNSEEN
    result.Laterality = case.laterality
    return result
