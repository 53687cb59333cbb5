"""A registry finds the methods of one package by importing its modules: a new method is one new file."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import ValidationError

from worker.contract.errors import InvalidSpec, UnknownMethod
from worker.contract.spec import Frozen, Method

Guarantee = Literal["probabilistic", "first_order", "empirical", "unsound_as_published", "none"]


class NoParams(Frozen):
    """The parameters of a method that has none."""


class Entry(ABC):
    """One method of a registry: a name, what it promises, where it comes from, and its parameters.

    `guarantee` is "none" for methods that promise nothing themselves (an attribution, a map).
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    guarantee: ClassVar[Guarantee] = "none"
    Params: ClassVar[type[Frozen]] = NoParams

    def __init__(self, params: Frozen) -> None:
        self.params: Any = params


E = TypeVar("E", bound=Entry)


class Registry(Generic[E]):
    """The methods of one package, by name. Two methods of one name are an error at import."""

    def __init__(self, noun: str, package: str, base: type[E]) -> None:
        self.noun = noun
        self._package = package
        self._base = base
        self._entries: dict[str, type[E]] | None = None

    @property
    def entries(self) -> Mapping[str, type[E]]:
        if self._entries is None:
            self._entries = self._discover()
        return self._entries

    def _discover(self) -> dict[str, type[E]]:
        found: dict[str, type[E]] = {}
        package = importlib.import_module(self._package)
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
            module = importlib.import_module(f"{self._package}.{info.name}")
            for item in vars(module).values():
                if not (isinstance(item, type) and issubclass(item, self._base) and item.__module__ == module.__name__):
                    continue
                if "name" not in vars(item):
                    continue
                if item.name in found:
                    raise TypeError(f"two {self.noun}s are called {item.name}: {found[item.name]} and {item}")
                found[item.name] = item
        return found

    def build(self, method: Method, pointer: str) -> E:
        """The method with its parameters checked. Raises UnknownMethod or InvalidSpec, pointing into the spec."""
        entry = self.entries.get(method.name)
        if entry is None:
            known = ", ".join(sorted(self.entries))
            raise UnknownMethod(
                f"There is no {self.noun} called {method.name!r}. Known: {known}.", pointer=f"{pointer}/name"
            )
        try:
            params = entry.Params.model_validate(method.params)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = "/".join([pointer, *map(str, first["loc"])])
            raise InvalidSpec(f"{self.noun} {method.name}: {first['msg']}.", pointer=where) from None
        return entry(params)
