"""What the stream of prices holds: entries with their ids, and what a listener is sent of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from marketdata.errors import InvalidRequest

Id = tuple[int, int]
"""Milliseconds and a number within them: ids ascend."""

NOTHING: Id = (0, 0)
"""Before the first entry of any stream."""

_ID = re.compile(r"(\d{1,20})-(\d{1,20})")
_LARGEST = 2**64 - 1


class _Symbol(msgspec.Struct):
    symbol: str


_list = msgspec.json.Decoder(list[msgspec.Raw])
_symbol = msgspec.json.Decoder(_Symbol)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its prices as JSON texts by symbol, and the event that everybody without a filter is sent."""

    entry_id: Id
    prices: Mapping[str, bytes]
    event: bytes

    def event_for(self, symbols: frozenset[str]) -> bytes:
        """The event for a listener to these symbols, all for none; empty where none of them has a price here."""
        if not symbols:
            return self.event
        chosen = [price for symbol, price in self.prices.items() if symbol in symbols]
        return _event(self.entry_id, chosen) if chosen else b""


def parse_id(text: str) -> Id:
    """The id that a text means; InvalidRequest for what is none."""
    found = _ID.fullmatch(text)
    entry_id = (int(found[1]), int(found[2])) if found else NOTHING
    if found is None or max(entry_id) > _LARGEST:
        raise InvalidRequest(
            f"Last-Event-ID {text!r:.60}", "it is no id of this stream", "send back an id as it came, or none"
        )
    return entry_id


def id_text(entry_id: Id) -> str:
    """An id as Redis and listeners write it."""
    return f"{entry_id[0]}-{entry_id[1]}"


def entry_of(raw_id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    """An entry as Redis gives it; one that holds no list of prices counts as empty, so that it passes by."""
    entry_id = parse_id(raw_id.decode("ascii"))
    try:
        # A line break in JSON is white space, and would end the line of an event.
        texts = [
            bytes(raw).replace(b"\r", b" ").replace(b"\n", b" ") for raw in _list.decode(fields.get(b"prices", b""))
        ]
        prices = {_symbol.decode(text).symbol: text for text in texts}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Entry(entry_id, {}, b"")
    return Entry(entry_id, prices, _event(entry_id, texts) if texts else b"")


def _event(entry_id: Id, prices: list[bytes]) -> bytes:
    return b"id: %s\nevent: prices\ndata: [%s]\n\n" % (id_text(entry_id).encode(), b",".join(prices))
