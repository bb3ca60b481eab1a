"""Whose rows they are: from the symbols of a file to our assets, and what to say of symbols that are none of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from marketdata.domain.bars import VENDOR_OF, AssetClass
from marketdata.domain.import_rows import ImportRows
from marketdata.domain.import_spec import ImportSpec
from marketdata.errors import InvalidRequest
from marketdata.storage.imports import Bearer

_NAMED = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """What a symbol of the file means: ``asset_id`` is 0 for nothing (``problem`` says why), negative for a new asset.

    ``symbol`` is the house symbol; ``foreign`` are days (first inclusive, last exclusive) on which it meant another
    asset.
    """

    symbol: str
    asset_id: int
    asset_class: AssetClass | None
    problem: str = ""
    foreign: tuple[tuple[date, date], ...] = ()

    @property
    def is_crypto(self) -> bool:
        return self.asset_class == "crypto"


class SymbolBook:
    """Looks each symbol up once; ``find_bearers`` asks the database who bears, or bore, some symbols."""

    def __init__(self, spec: ImportSpec, find_bearers: Callable[[Sequence[str]], list[Bearer]]) -> None:
        self._spec = spec
        self._find_bearers = find_bearers
        self._entries: dict[str, Entry | None] = {}
        self._added: dict[str, Entry] = {}

    def find(self, given: Sequence[str], classes: Sequence[str]) -> list[Entry | None]:
        """What each symbol of the file means; None for one that the spec leaves out.

        ``classes`` has the asset class that the file gives each of them, empty where it gives none.
        """
        houses = {symbol: self._spec.house_symbol(symbol) for symbol in given if symbol not in self._entries}
        if houses:
            bearers: dict[str, list[Bearer]] = {}
            for bearer in self._find_bearers(sorted({house for house in houses.values() if house})):
                bearers.setdefault(bearer.given, []).append(bearer)
            class_of = dict(zip(given, classes, strict=True))
            for symbol, house in houses.items():
                found = None if house is None else self._entry(symbol, house, bearers.get(house, []), class_of[symbol])
                self._entries[symbol] = found
        return [self._entries[symbol] for symbol in given]

    @property
    def house_symbols(self) -> dict[int, str]:
        """The house symbols of the assets found, by asset_id."""
        return {entry.asset_id: entry.symbol for entry in self._entries.values() if entry and entry.asset_id}

    @property
    def added(self) -> list[dict[str, str | None]]:
        """The assets that the spec adds, as rows for ``load_assets``."""
        return [
            {
                "symbol": entry.symbol,
                "asset_class": entry.asset_class,
                "vendor_symbol": self._spec.coin_ids.get(entry.symbol, entry.symbol),
            }
            for entry in self._added.values()
        ]

    @property
    def problems(self) -> dict[str, str]:
        """Each symbol of the file that is no asset of ours, with the reason."""
        return {given: entry.problem for given, entry in self._entries.items() if entry and entry.problem and given}

    def forget_added(self) -> None:
        """Look the added assets up again: they have their identity now."""
        added = {entry.symbol for entry in self._added.values()}
        self._entries = {
            given: entry for given, entry in self._entries.items() if not entry or entry.symbol not in added
        }
        self._added = {}

    def _entry(self, given: str, house: str, bearers: Sequence[Bearer], given_class: str) -> Entry:
        present = next((bearer for bearer in bearers if bearer.is_present), None)
        assets = {bearer.asset_id: bearer for bearer in bearers}
        if present is not None:
            foreign = () if given in self._spec.symbols else _foreign(bearers, present.asset_id)
            return Entry(present.symbol, present.asset_id, present.asset_class, foreign=foreign)
        if len(assets) == 1:
            (only,) = assets.values()
            return Entry(only.symbol, only.asset_id, only.asset_class)
        if assets:
            bore = ", ".join(sorted(bearer.symbol for bearer in assets.values()))
            return Entry(house, 0, None, f"several assets bore it: {bore}")
        return self._unknown(given, house, given_class)

    def _unknown(self, given: str, house: str, given_class: str) -> Entry:
        asset_class = self._spec.asset_class or next((name for name in VENDOR_OF if name == given_class), None)
        if not given:
            return Entry(house, 0, asset_class, "symbol is missing")
        if not self._spec.add_assets:
            return Entry(house, 0, asset_class, "no asset of ours")
        if asset_class is None:
            return Entry(house, 0, None, f"its asset class {given_class[:_NAMED]!r} is none of {', '.join(VENDOR_OF)}")
        if asset_class == "crypto" and house not in self._spec.coin_ids:
            return Entry(house, 0, asset_class, "a new coin needs its id under [coin_ids]")
        if house not in self._added:
            self._added[house] = Entry(house, -1 - len(self._added), asset_class)
        return self._added[house]


def row_faults(
    rows: ImportRows, entries: Sequence[Entry | None], codes: NDArray[np.intp], given_crypto: NDArray[np.bool_] | None
) -> dict[int, str]:
    """Rows that cannot be their symbol's, by index: it means nothing, meant another asset, or is of another class.

    ``codes`` says which entry each row has, ``given_crypto`` whether the file takes it for crypto (None: not said).
    """
    faults: dict[int, str] = {}
    if given_crypto is not None:
        wrong = np.flatnonzero((rows.asset_ids != 0) & (given_crypto != rows.is_crypto))
        faults.update(dict.fromkeys(wrong.tolist(), "asset_class is another one than the asset's"))
    for code, entry in enumerate(entries):
        if entry is None or not (entry.problem or entry.foreign):
            continue
        of_entry = codes == code
        if entry.problem:
            faults.update(dict.fromkeys(np.flatnonzero(of_entry).tolist(), f"symbol: {entry.problem}"))
        for first, until in entry.foreign:
            within = (rows.bars.session >= np.datetime64(first)) & (rows.bars.session < np.datetime64(until))
            reason = "symbol meant another asset on that day: map it under [symbols] if it is the same one here"
            faults.update(dict.fromkeys(np.flatnonzero(of_entry & within).tolist(), reason))
    return faults


def refuse_unknown(problems: dict[str, str], existing: Sequence[str]) -> None:
    """Raise InvalidRequest that names the symbols of a file that are no assets, with what is near; nothing for none."""
    if not problems:
        return
    named = []
    for given, problem in sorted(problems.items())[:_NAMED]:
        near = get_close_matches(given, existing, n=3)
        named.append(f"{given!r:.40} ({problem}" + (f"; near: {', '.join(near)})" if near else ")"))
    more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    raise InvalidRequest(
        f"symbol {', '.join(named)}{more}",
        f"{len(problems)} symbols of the import are no assets of ours; nothing was stored",
        'map them under [symbols], leave them out with skip = ["..."], or add them with add_assets = true',
    )


def _foreign(bearers: Sequence[Bearer], asset_id: int) -> tuple[tuple[date, date], ...]:
    """The days on which the symbol was another asset's, and not this one's."""
    return tuple(
        (bearer.first or date.min, bearer.until or date.max)
        for bearer in bearers
        if bearer.asset_id != asset_id and not bearer.is_present
    )
