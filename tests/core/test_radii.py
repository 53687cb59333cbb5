"""The radius map as JSON says no more than the radii, and as much as four decimals can."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from worker.core.render.radii import radii

ANY = st.floats(min_value=-1.0, max_value=20.0) | st.sampled_from([0.1, 0.3, 1e-4, 1e-300, 1e305, math.inf, -math.inf])


@given(st.lists(ANY, min_size=1, max_size=8))
@example([0.0, 0.03, 0.0301, 0.7, 5e-324])
def test_each_is_the_greatest_multiple_at_which_the_cell_is_certified(values: list[float]) -> None:
    found = json.loads(radii(np.array([values]), np.array([values]), 3, 1, "pixels"))
    assert found["salient"] == found["not_salient"] and (found["rows"], found["columns"]) == (1, len(values))
    for radius, written in zip(values, found["salient"][0], strict=True):
        if radius == math.inf:
            assert written is None
        elif written:
            assert 0 < written < radius, "a cell is certified below its radius"
            assert written == round(written * 10_000) / 10_000
            assert radius <= (round(written * 10_000) + 1) / 10_000 or radius > 1e9
        else:
            assert written == 0 and radius <= 1e-4
