"""docs/cache.md: what front ends may rely on in Redis, from the registry of keys and the values themselves."""

from __future__ import annotations

import msgspec

from marketdata.domain.ranges import RANGES
from marketdata.storage.cache_connection import BREAK_SECONDS, SOCKET_SECONDS
from marketdata.storage.cache_keys import CACHE_KEYS, CHANNEL, STREAM, STREAM_ENTRIES
from marketdata.storage.cache_values import FIELDS, DayValue, HourValue, PriceValue

_PRICE = PriceValue(
    symbol="AAPL",
    price=271.49,
    change=1.49,
    change_percent=0.5518518518518518,
    timestamp="2026-11-20T20:59:59.123456Z",
    previous_close=270.0,
    session="2026-11-20",
    volume=41276310.0,
    as_of="2026-11-20T21:00:01.512000Z",
    source="polygon",
    delayed=False,
)
_HOUR = HourValue(
    timestamp="2026-11-20T20:30:00.000000Z",
    open=271.02,
    high=271.6,
    low=270.88,
    close=271.49,
    volume=5120400.0,
    session="2026-11-20",
    as_of="2026-11-20T21:00:04.007000Z",
    source="polygon",
    final=False,
    delayed=False,
)
_DAY = DayValue(
    date="2026-11-20",
    open=269.3,
    high=272.25,
    low=268.75,
    close=271.49,
    volume=41276310.0,
    as_of="2026-11-20T21:30:12.840000Z",
    source="polygon",
    final=False,
)

_PAGE = """\
# The cache

Made from the registry of keys in `plugins/marketdata/storage/cache_keys.py` by `make docs`. What front ends may read
in Redis.

## Keys

| key | type | TTL | what it holds |
|---|---|---|---|
{keys}

- A symbol stands in a key as it is (`latest_price:X:BTCUSD`). Ranges: {ranges}.
- A TTL begins anew with each write. No key of this page is without one.
- Keys that are not for readers may change at any time. The vendors' quota lives beside them under
  `marketdata:quota:`; its `epoch`, one for each vendor's key, stays: where it is gone, Redis was wiped.

## Rules for a reader

1. **A key that is missing says nothing**: the value is in the database. The read API (`/marketdata/api/prices`,
   `/marketdata/api/assets/{{symbol}}/chart`) looks into the cache first, then there, and fills the cache; use it
   unless you must not. After the close it serves the last price with its time, when the key is long gone.
2. **A value that you cannot read is a missing one.** Fields may be added; do not refuse those that you do not know.
3. **Look at its age.** `timestamp` is the price's own time, `as_of` when the vendor gave it to us. A halted share has
   an old `timestamp` and a new `as_of`; a vendor that is away leaves both to grow old, until the key goes.
4. **Write nothing here.** What is not a value of ours is overwritten, or removed when it is read.
5. **Never `KEYS` or `SCAN`** for symbols: ask for the keys that you want, many in one `MGET`.

Instants are UTC texts of 27 characters, so that they sort as texts. Prices are US dollars. Numbers that are not known
are null.

## Values

`latest_price:AAPL`

```json
{price}
```

`hourly_data:AAPL:1D`, oldest first

```json
{hours}
```

`asset_data:AAPL:1Y`, oldest first

```json
{days}
```

| field | meaning |
|---|---|
{fields}

## Order

An older price never replaces a newer one: older is what has an earlier `timestamp`, or the same and an earlier
`as_of`. Redis itself compares them, so it does not matter in which order writers finish, nor whether the key has
expired in between.

## Push

What is new is appended to the stream `{stream}` and published on the channel `{channel}`, in one step with the keys:
first the stream's entry, then the message `{{"id": "<that entry's id>", "prices": [...]}}`. A price that is only seen
again, with a new `as_of` and nothing else, is not published again. A message holds up to 1,000 prices. The stream
keeps about {entries} entries (10 a minute with 10,000 active assets: 50 minutes, 130 MB; 2 a minute with 100: 4
hours, 13 MB): after a reconnect read it from the last id that you have seen. Of one symbol no price is followed by an
older one.

## What makes a chart go

A bar inserted or corrected, a split applied, held or withdrawn, a dividend, an import and a change of symbol remove
all charts of the asset after the commit; those of plain inserts within five seconds. A reader that was reading the
database at that moment does not put its older rows there: it took the asset's generation before, and that has
changed. A worker that is killed between commit and removal leaves its charts to the retry of its task, or to the end of
its run where the retries are used up: both remove the charts of all that was written before, rather too many than too
few. Where the cache did not answer in time, the charts are removed with the next ones of the same process; where that
comes to no other, or the killed run is never closed by its own DAG, a chart is as old as its TTL allows.

## When it is away

A command waits {socket} s at most. After one that got no answer nothing is sent for {break_} s, then one caller
tries. Meanwhile readers go to the database, the realtime runs warn, and no data is lost. A full store
(`maxmemory-policy noeviction`) refuses new values, lets the old ones expire, and still lets charts be removed.
`marketdata doctor` warns of a policy that evicts, since the vendors' quota lives in the same store. One Redis or
Valkey from version 7 on, with replicas or without; not a cluster: one script touches the keys of many symbols.
"""


def cache_page() -> str:
    """The whole page."""
    rows = [
        f"| `{one.pattern}` | {one.kind} | {f'{one.seconds} s' if one.seconds else 'not kept'} | {one.meaning} |"
        for one in CACHE_KEYS
    ]
    return _PAGE.format(
        keys="\n".join(rows),
        ranges=", ".join(f"`{name}`" for name in RANGES),
        price=_shown(_PRICE),
        hours=_shown([_HOUR]),
        days=_shown([_DAY]),
        fields="\n".join(f"| `{name}` | {meaning} |" for name, meaning in FIELDS.items()),
        stream=STREAM.pattern,
        channel=CHANNEL.pattern,
        entries=STREAM_ENTRIES,
        socket=SOCKET_SECONDS,
        break_=int(BREAK_SECONDS),
    )


def _shown(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
