"""Hooks that are gone afterwards, and a look at what the network really computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import Node

# Given a module and its output; what it returns replaces the output unless it is None.
Hook = Callable[[nn.Module, Any], Tensor | None]


@contextmanager
def watching(modules: Iterable[nn.Module], hook: Hook) -> Iterator[None]:
    """Call `hook` after each forward pass of each of these modules; no hook is left, whatever happens inside."""
    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(lambda module, _, output: hook(module, output)).remove)
        yield


def of_kind(model: nn.Module, *kinds: type[nn.Module]) -> list[nn.Module]:
    """The modules of these kinds, each once, however often the network uses it."""
    return [module for module in model.modules() if isinstance(module, kinds)]


def computed(output: Tensor) -> set[Node]:
    """The operations between the differentiable inputs and `output`, whoever called them: module or function.

    What runs inside a compiled or custom autograd function is one operation here.
    """
    found: set[Node] = set()
    waiting = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting.extend(following for following, _ in node.next_functions)
    return found


def operation(node: Node) -> str:
    """The operation's name without the numbering of its variants: ReluBackward0 is Relu."""
    return node.name().rpartition("::")[2].partition("Backward")[0]
