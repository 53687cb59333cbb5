"""A network with softplus in place of ReLU: the smooth stand-in that first-order bounds speak of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from worker.contract.errors import UnsupportedAttribution
from worker.core.attacks.softened import Softened

# Made of straight pieces and not softened: left as they are, they would make a bound too small.
_STRAIGHT = {
    functional.hardsigmoid,
    functional.hardswish,
    functional.leaky_relu,
    functional.prelu,
    functional.rrelu,
    functional.threshold,
}


class Smooth(nn.Module):
    """`network` with softplus(x) = log(1 + exp(beta x)) / beta wherever it takes a ReLU (see Softened).

    A ReLU network is made of linear pieces, so the Jacobian of its gradient is zero almost everywhere and says nothing
    (Dombrowski et al. 2019). The larger beta, the nearer the stand-in is to the network, and the larger its curvature.
    Max pooling stays, and the gradient jumps where it chooses another element, at once where elements tie as in an even
    background: no first-order bound sees that. The weights are shared with `network`.
    Raises: UnsupportedAttribution, when called, if the network has an activation of straight pieces that stays so.
    """

    def __init__(self, network: nn.Module, beta: float) -> None:
        super().__init__()
        self.network = network
        self.beta = beta

    def forward(self, images: Tensor) -> Tensor:
        with Softened(self.beta), _NothingStraight():
            logits: Tensor = self.network(images)
        return logits


class _NothingStraight(TorchFunctionMode):
    """While it is entered, activations whose curvature would be missed are refused."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _STRAIGHT:
            raise UnsupportedAttribution(
                f"First-order bounds soften ReLU, and this model has {func.__name__}, whose curvature is zero as well; "
                "choose a model with ReLU or smooth activations."
            )
        return func(*args, **(kwargs or {}))
