"""Every value of a document: where it is, and how to change it as little as can be."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


def leaves(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All numbers, strings, booleans and nulls; empty lists and objects, too."""
    if node and isinstance(node, dict | list):
        for name, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(child, (*path, name))
    else:
        yield path, node


def changes(value: Any) -> list[Any]:
    """The next larger number, the opposite, a string with another character at its beginning, middle or end."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, float):
        return [math.nextafter(value, math.inf)]
    if isinstance(value, str) and value:
        places = {0, len(value) // 2, len(value) - 1}
        return [value[:at] + ("a" if value[at] != "a" else "b") + value[at + 1 :] for at in sorted(places)]
    return [0]


def changed(document: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy of the document with another value there."""
    copied = copy.deepcopy(document)
    node: Any = copied
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return copied


def written(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
