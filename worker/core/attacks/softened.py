"""Networks with second derivatives: softplus in place of every ReLU, while an attack looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class Softened(TorchFunctionMode):
    """Inside `with Softened(beta):` every ReLU, ReLU6 and hard tanh of this thread is the softplus
    log(1 + exp(beta x)) / beta, or a difference of two.

    The gradient of a network of ReLUs is constant almost everywhere, so an attack could not follow its attribution. The
    replacement is in what the network calls, modules and functions alike, and not in the network: the model is never
    changed and nothing has to be put back. A larger beta is nearer to ReLU and harder to climb.
    Source: Dombrowski et al. 2019, section 3.3; Levine et al. 2019, section 4.
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        self._beta = beta

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # Whether the network works in place does not matter: it goes on with what is returned.
        named = {key: value for key, value in (kwargs or {}).items() if key != "inplace" or func not in SOFT}
        return SOFT[func](self._beta, *args, **named) if func in SOFT else func(*args, **named)


def _relu(beta: float, values: Tensor, *_: bool) -> Tensor:
    return functional.softplus(values, beta)


def _hardtanh(beta: float, values: Tensor, min_val: float = -1.0, max_val: float = 1.0, *_: bool) -> Tensor:
    return min_val + functional.softplus(values - min_val, beta) - functional.softplus(values - max_val, beta)


def _relu6(beta: float, values: Tensor, *_: bool) -> Tensor:
    return _hardtanh(beta, values, 0.0, 6.0)


SOFT: dict[Callable[..., Any], Callable[..., Tensor]] = {
    **dict.fromkeys([functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_], _relu),
    functional.relu6: _relu6,
    functional.hardtanh: _hardtanh,
}
