"""How much is bounded and attacked in the study of first-order bounds, and what the paper printed."""

from __future__ import annotations

from typing import NamedTuple

from worker.core.first_order.differential import Kind

SEED, BETA = 60, 10.0
# "pooled" is standard with max pooling in place of strides.
MODELS = ("standard", "AT", "TRADES", "pooled")
KINDS: tuple[Kind, ...] = ("gradient", "input_x_gradient", "integrated_gradients")
MAIN: Kind = "integrated_gradients"
# The radii of the paper's Tables 3 to 5, and of its Table 2, which is about one model and all attributions.
RADII = {"l2": (0.05, 0.1, 0.2), "linf": (0.01, 0.03, 0.05, 0.25)}
TABLE_2 = {"l2": 0.1, "linf": 0.25}


class Sizes(NamedTuple):
    """`train` images for `epochs`, with `inner` steps of the training's own attack; `test` images for the accuracy;
    `images` bounded and attacked, from `restarts` starts with `ascent` steps; integrated gradients have `steps`
    midpoints; `large`: SqueezeNet as well."""

    train: int
    epochs: int
    inner: int
    test: int
    images: int
    restarts: int
    ascent: int
    steps: int
    large: bool


# What ends within an hour on two cores, most of it for the Jacobians of integrated gradients.
FULL = Sizes(8000, 8, 7, 1000, 16, 8, 20, 10, True)
QUICK = Sizes(600, 3, 2, 200, 1, 3, 3, 2, False)

# Wang and Kong 2023, MNIST: damage, T_e, % outside, T'_e, degrees, T_c in degrees (Table 3, l2, 0.05) ...
PRINTED_L2 = {
    "AT": (0.0685, 0.1537, 2.25, 0.1596, 3.6935, 7.0951),
    "TRADES": (0.1620, 0.5060, 1.68, 0.5271, 2.8374, 6.9988),
}
# ... Kendall, damage, T_e, degrees, T_c in degrees (Table 4, l-infinity, 0.05), and r (Table 5).
PRINTED_LINF = {"AT": (0.1846, 0.3461, 0.7752, 15.3616, 38.7024), "TRADES": (0.2127, 1.1779, 2.2216, 15.9881, 33.4681)}
PRINTED_GAP = {
    "AT": {"l2": (0.0260, 0.0320, 0.0140), "linf": (0.0021, 0.0035, 0.0117)},
    "TRADES": {"l2": (0.0014, 0.0032, 0.0104), "linf": (0.0001, 0.0046, 0.0026)},
}
# Table 2: another model (TRADES+IGR, ResNet-18) on CIFAR-10: damage, T_e, T'_e, degrees, T_c in degrees.
PRINTED_KINDS: dict[str, dict[str, tuple[float, ...]]] = {
    "l2": {
        "gradient": (0.09, 0.31, 0.34, 6.88, 7.41),
        "input_x_gradient": (0.07, 0.46, 0.46, 0.51, 2.60),
        "integrated_gradients": (0.02, 0.17, 0.17, 1.80, 3.84),
    },
    "linf": {
        "gradient": (0.41, 0.85, float("nan"), 21.87, 27.09),
        "input_x_gradient": (0.07, 0.69, float("nan"), 7.03, 50.59),
        "integrated_gradients": (0.25, 0.52, float("nan"), 23.24, 35.00),
    },
}
