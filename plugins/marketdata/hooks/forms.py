"""The form of a vendor's answer: what it must look like, and what may differ without making all of it worthless."""

from __future__ import annotations

import json
import re
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

_UNKNOWN = re.compile(r"unknown field `(.*?)`")
_NO_NUMBER = re.compile(r"Number out of range|invalid character")


class Form(Generic[T]):
    """Decodes bodies into ``kind``, strictly: a field of another type, or one that is missing, is an error.

    ``known`` is the same kind whose structs forbid unknown fields: what the vendor adds is ignored and remarked upon.
    It costs nothing while nothing is added. ``seldom`` are fields that it leaves out and that are no news, since one
    more in a struct costs every record without it. ``judged``: every record is checked on its own before it is stored,
    so a number that is none (NaN, Infinity, 1e400, though no JSON writes the first two) may pass as what it is, a
    float, and spoil its record alone.
    """

    def __init__(
        self,
        kind: type[T],
        *,
        known: Any = None,  # noqa: ANN401 - a type
        seldom: frozenset[str] = frozenset(),
        judged: bool = False,
    ) -> None:
        self._kind = kind
        self._seldom = seldom
        self._loose = msgspec.json.Decoder(kind)
        self._strict: msgspec.json.Decoder[T] = self._loose if known is None else msgspec.json.Decoder(known)
        self._judged = judged

    def read(self, body: bytes) -> tuple[T, str]:
        """The decoded body, and a remark about what differs in it, empty for nothing.

        Raises msgspec.DecodeError, UnicodeDecodeError, or RecursionError for one that is nested too deeply.
        """
        try:
            return self._strict.decode(body), ""
        except msgspec.DecodeError as error:
            if added := _UNKNOWN.search(str(error)):
                remark = "" if added[1] in self._seldom else f"schema drift: the new field {added[1]!r} is ignored"
                return self._read_loosely(body), remark
            return self._read_numbers(body, error), "schema drift: numbers that are none, like NaN"

    def _read_loosely(self, body: bytes) -> T:
        try:
            return self._loose.decode(body)
        except msgspec.DecodeError as error:
            return self._read_numbers(body, error)

    def _read_numbers(self, body: bytes, error: msgspec.DecodeError) -> T:
        """The body with its numbers that are none; ``error`` where that is not what is wrong with it."""
        if not self._judged or not _NO_NUMBER.search(str(error)):
            raise error
        try:
            tree = json.loads(body.decode())
        except ValueError:
            raise error from None
        return msgspec.convert(tree, self._kind)
