"""Attributions as their papers define them: numbers in lists of layers, loops over neurons, windows, masks and pixels.

Images and maps are numpy arrays in double precision; a network is a list of the layers below on flat vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray


@dataclass(frozen=True)
class Dense:
    """z = weights @ x + bias. `stabilised`: whether the epsilon rule has its epsilon here."""

    weights: ndarray
    bias: ndarray
    stabilised: bool = True


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True)
class Max:
    """The greatest of each group of inputs."""

    groups: Sequence[Sequence[int]]


Layer = Dense | Relu | Max


def convolution(kernel: ndarray, bias: ndarray, height: int, width: int) -> Dense:
    """A convolution with odd kernel, stride 1 and zeros around, written out as one weight per pair of neurons."""
    out, into, tall, wide = kernel.shape
    weights = np.zeros((out * height * width, into * height * width))
    for o in range(out):
        for i in range(into):
            for row in range(height):
                for column in range(width):
                    for a in range(tall):
                        for b in range(wide):
                            r, c = row + a - tall // 2, column + b - wide // 2
                            if 0 <= r < height and 0 <= c < width:
                                target, source = (o * height + row) * width + column, (i * height + r) * width + c
                                weights[target, source] = kernel[o, i, a, b]
    return Dense(weights, np.repeat(bias, height * width))


def per_channel(scale: ndarray, shift: ndarray, cells: int, *, stabilised: bool) -> Dense:
    """scale * x + shift, one number of each per channel of `cells` places: batch norm, or a model's normalisation."""
    return Dense(np.diag(np.repeat(scale, cells)), np.repeat(shift, cells), stabilised)


def pool_2x2(channels: int, height: int, width: int) -> Max:
    """Max pooling of 2 x 2 places."""

    def at(channel: int, row: int, column: int) -> int:
        return (channel * height + row) * width + column

    return Max(
        [
            [at(channel, row + a, column + b) for a in (0, 1) for b in (0, 1)]
            for channel in range(channels)
            for row in range(0, height, 2)
            for column in range(0, width, 2)
        ]
    )


def forward(layers: Sequence[Layer], x: ndarray) -> list[ndarray]:
    """The input and the output of every layer."""
    values = [x]
    for layer in layers:
        last = values[-1]
        if isinstance(layer, Dense):
            values.append(layer.weights @ last + layer.bias)
        elif isinstance(layer, Relu):
            values.append(np.array([max(value, 0.0) for value in last]))
        else:
            values.append(np.array([max(last[i] for i in group) for group in layer.groups]))
    return values


def guided(layers: Sequence[Layer], x: ndarray, chosen: int) -> ndarray:
    """Springenberg et al. 2015: R^l = (f^l > 0) (R^(l+1) > 0) R^(l+1) at every ReLU, the chain rule elsewhere."""
    values = forward(layers, x)
    signal = np.zeros(len(values[-1]))
    signal[chosen] = 1.0
    for layer, entered in zip(reversed(layers), reversed(values[:-1]), strict=True):
        if isinstance(layer, Dense):
            signal = signal @ layer.weights
        elif isinstance(layer, Relu):
            signal = np.array([s if s > 0 and f > 0 else 0.0 for s, f in zip(signal, entered, strict=True)])
        else:
            signal = _to_winners(layer, signal, entered)
    return signal


def lrp(layers: Sequence[Layer], x: ndarray, chosen: int, epsilon: float) -> ndarray:
    """Bach et al. 2015, epsilon rule: R_i = sum_j x_i w_ji / (z_j + epsilon sign z_j) R_j, from the chosen logit."""
    values = forward(layers, x)
    relevance = np.zeros(len(values[-1]))
    relevance[chosen] = values[-1][chosen]
    for layer, entered, left in zip(reversed(layers), reversed(values[:-1]), reversed(values[1:]), strict=True):
        if isinstance(layer, Dense):
            share = np.zeros(len(entered))
            for j, z in enumerate(left):
                divisor = z + (epsilon if z >= 0 else -epsilon) * layer.stabilised
                for i, value in enumerate(entered):
                    if value * layer.weights[j, i] != 0:
                        share[i] += value * layer.weights[j, i] / divisor * relevance[j]
            relevance = share
        elif isinstance(layer, Max):
            relevance = _to_winners(layer, relevance, entered)
    return relevance


def _to_winners(layer: Max, signal: ndarray, entered: ndarray) -> ndarray:
    back = np.zeros(len(entered))
    for value, group in zip(signal, layer.groups, strict=True):
        back[max(group, key=lambda i: entered[i])] += value
    return back


def slopes(function: Callable[[ndarray], float], point: ndarray, step: float = 1e-6) -> ndarray:
    """The gradient by central differences, one element at a time."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


def grad_cam(maps: ndarray, gradient: ndarray) -> ndarray:
    """Selvaraju et al. 2017, equations 1 and 2: ReLU(sum_k (1/Z sum_ij g_ij^k) A^k)."""
    total = np.zeros(maps.shape[1:])
    for a, g in zip(maps, gradient, strict=True):
        total += sum(g.ravel()) / g.size * a
    return np.maximum(total, 0.0)


def grad_cam_plus_plus(maps: ndarray, score: float, gradient: ndarray) -> ndarray:
    """Chattopadhay et al. 2018 with Y = exp(S): for piecewise linear S the derivatives of Y are Y g, Y g^2, Y g^3."""
    y = math.exp(score)
    total = np.zeros(maps.shape[1:])
    for a, g in zip(maps, gradient, strict=True):
        weight = 0.0
        for slope in g.ravel():
            first, second, third = y * slope, y * slope**2, y * slope**3
            divisor = 2 * second + sum(a.ravel()) * third
            weight += (second / divisor if divisor != 0 else 0.0) * max(first, 0.0)
        total += weight * a
    return np.maximum(total, 0.0)


def bilinear(small: ndarray, height: int, width: int) -> ndarray:
    """Enlarged with pixel centres at half-integers and the border repeated."""

    def weights(place: int, large: int, length: int) -> list[tuple[int, float]]:
        centre = (place + 0.5) * length / large - 0.5
        low = math.floor(centre)
        part = centre - low
        return [(min(max(low, 0), length - 1), 1 - part), (min(max(low + 1, 0), length - 1), part)]

    large = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            for r, a in weights(row, height, small.shape[0]):
                for c, b in weights(column, width, small.shape[1]):
                    large[row, column] += a * b * small[r, c]
    return large


def occlusion(
    function: Callable[[ndarray], float], image: ndarray, window: int, stride: int, fill: float
) -> tuple[ndarray, int]:
    """Per pixel the mean, over the windows that cover it, of f(image) - f(window painted); and how many windows."""
    _, height, width = image.shape
    falls: dict[tuple[int, int], list[float]] = {}
    count = 0
    top = 0
    while True:
        left = 0
        while True:
            painted = image.copy()
            inside = [(r, c) for r in range(top, top + window) for c in range(left, left + window)]
            inside = [(r, c) for r, c in inside if r < height and c < width]
            for r, c in inside:
                painted[:, r, c] = fill
            fall = function(image) - function(painted)
            count += 1
            for place in inside:
                falls.setdefault(place, []).append(fall)
            if left + window >= width:
                break
            left += stride
        if top + window >= height:
            break
        top += stride
    means = [[sum(falls[r, c]) / len(falls[r, c]) for c in range(width)] for r in range(height)]
    return np.array(means), count


def rise_mask(grid: ndarray, down: int, right: int, height: int, width: int) -> ndarray:
    """Petsiuk et al. 2018, section 3.2: the grid enlarged to (cells + 1) cell sizes, cut out at the shift."""
    cells = len(grid)
    tall, wide = math.ceil(height / cells), math.ceil(width / cells)
    large = bilinear(grid, (cells + 1) * tall, (cells + 1) * wide)
    return large[down : down + height, right : right + width]


def rise(function: Callable[[ndarray], float], image: ndarray, masks: Sequence[ndarray], p: float) -> ndarray:
    """Petsiuk et al. 2018, equation 6: 1 / (p N) sum_i f(image * M_i) M_i."""
    total = np.zeros(image.shape[1:])
    for mask in masks:
        total += function(image * mask) * mask
    return total / (p * len(masks))
