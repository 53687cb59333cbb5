"""The elements of a DICOM data set: where they are, found by tags and lengths alone. Bounded in number and in depth.

Standard library only: the API looks at a file with it before anything else does. What is read here is what pydicom
will read, so whoever passes cannot make pydicom build millions of objects or recurse without end.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from worker.contract.errors import ImageUnreadable

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
LONG_FORM = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
# Pydicom spends up to two kilobytes on one. A multi-frame file of a thousand frames has some thirty thousand.
MOST_ELEMENTS = 100_000
MOST_DEPTH = 16


class Element(NamedTuple):
    """A data element: the tag begins at `at`, the value at `start` and goes on for `length` bytes or is UNDEFINED."""

    tag: int
    vr: bytes
    at: int
    start: int
    length: int


class Scan:
    """Walks over a file's elements in one byte order (`<` or `>`). The counts go on from call to call."""

    def __init__(self, data: bytes, order: str) -> None:
        self._data = data
        self._heads = {form: struct.Struct(order + form) for form in ("HHL", "HH2sH", "L", "HH")}
        self._left = MOST_ELEMENTS

    def until(self, at: int, stop: Callable[[int], bool]) -> tuple[dict[int, Element], Element | None]:
        """The elements from `at` on by tag, up to the first whose tag is to stop at; that one, or None at the end."""
        found: dict[int, Element] = {}
        implicit = self._is_implicit(at)
        while at < len(self._data):
            element = self._element(at, implicit)
            if stop(element.tag):
                return found, element
            found[element.tag] = element
            at = self._after(element, implicit, 0)
        return found, None

    def _is_implicit(self, at: int) -> bool:
        """Whether value representations are left out, as the first element shows: files lie about it in their meta."""
        return not b"AA" <= self._data[at + 4 : at + 6] <= b"ZZ"

    def _element(self, at: int, implicit: bool) -> Element:
        self._left -= 1
        if self._left < 0:
            raise ImageUnreadable(
                f"The file has more than {MOST_ELEMENTS:,} elements before its pixels; send it without what is private."
            )
        vr, start = self._data[at + 4 : at + 6], at + 8
        try:
            group, number, length = self._heads["HHL"].unpack_from(self._data, at)
            # Items have no value representation; nor has an element that a writer put in implicitly, as some do.
            if implicit or group == 0xFFFE or not b"AA" <= vr <= b"ZZ":
                vr = b""
            elif vr in LONG_FORM:
                (length,), start = self._heads["L"].unpack_from(self._data, at + 8), at + 12
            else:
                length = self._heads["HH2sH"].unpack_from(self._data, at)[3]
        except struct.error:
            raise damaged("it ends inside an element") from None
        return Element(group << 16 | number, vr, at, start, length)

    def _after(self, element: Element, implicit: bool, depth: int) -> int:
        """Where the next element begins."""
        end = element.start + element.length
        if element.length != UNDEFINED:
            if end > len(self._data):
                raise damaged(f"element {name(element.tag)} is said to be longer than the rest of the file")
            if element.vr == b"SQ" or (element.vr in (b"", b"UN") and self._has_item(element)):
                self._items(element.start, end, implicit, depth + 1)
            return end
        return self._items(element.start, None, implicit, depth + 1)

    def _has_item(self, element: Element) -> bool:
        if element.length < 8:
            return False
        group, number = self._heads["HH"].unpack_from(self._data, element.start)
        return bool(group << 16 | number == ITEM)

    def _items(self, at: int, end: int | None, implicit: bool, depth: int) -> int:
        if depth > MOST_DEPTH:
            raise damaged(f"its sequences are nested deeper than {MOST_DEPTH} levels")
        while end is None or at < end:
            item = self._element(at, implicit)
            if item.tag == SEQUENCE_END:
                return item.start
            if item.tag != ITEM:
                raise damaged(f"a sequence goes on with {name(item.tag)}")
            last = None if item.length == UNDEFINED else item.start + item.length
            at = self._item(item.start, last, implicit or self._is_implicit(item.start), depth)
        return at

    def _item(self, at: int, end: int | None, implicit: bool, depth: int) -> int:
        if end is not None and end > len(self._data):
            raise damaged("an item is said to be longer than the rest of the file")
        while end is None or at < end:
            element = self._element(at, implicit)
            if element.tag == ITEM_END:
                return element.start
            at = self._after(element, implicit, depth)
        return at


def text(data: bytes, element: Element | None) -> str:
    """The value of a short element of text, "" without one."""
    if element is None or element.length > 64:
        return ""
    return data[element.start : element.start + element.length].decode("ascii", "replace").strip(" \0")


def name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def damaged(reason: str) -> ImageUnreadable:
    return ImageUnreadable(f"The DICOM file is damaged or cut off: {reason}. Send it again as the archive has it.")
