"""The one error tree. Each error says what happened, why, and the next step, and whether trying again helps.

MarketDataError
├── ConfigurationError          a setting or connection is missing or wrong
├── InvalidRequest              a caller asked for a symbol, range or key that does not exist
│   └── UnknownAsset            no asset has the symbol
├── StreamUnavailable           new prices cannot be pushed now: no Redis, or too many listeners
├── VendorError                 a vendor's answer, or the lack of one, to a single call
│   ├── NotYet                  the vendor has not published it yet
│   ├── NotEntitled             the plan does not give this symbol
│   │   ├── EndpointNotEntitled it gives nothing of this endpoint
│   │   └── BeyondHistory       it lies before the history that the plan gives
│   ├── KeyRejected             the vendor does not know the key
│   ├── RateLimited             the vendor or our own quota asks us to wait
│   │   └── VendorDown          it failed so often in a row that it is left alone for a while
│   ├── Gone                    the vendor does not know the symbol (404)
│   ├── TransientFailure        network, time-out, 5xx: the same call may succeed later
│   └── ContractBroken          an answer that is not what the vendor promises; never read as "empty"
└── StorageError
    ├── DatabaseUnavailable     down, starting, out of connections
    ├── DatabaseBusy            a lock or a statement took longer than allowed
    ├── DatabaseReadOnly        a standby, or default_transaction_read_only
    └── SchemaMismatch          the schema is missing, older or newer than the code
"""

from __future__ import annotations

from typing import ClassVar


class MarketDataError(Exception):
    """Base of all errors of this package.

    ``what`` names the thing that failed, ``why`` its cause, ``next_step`` what the reader can do about it.
    ``kind`` is the word stored in the database and shown to operators; ``retryable`` says whether the very same
    attempt can succeed later without anybody changing anything.
    """

    kind: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, why: str, next_step: str) -> None:
        super().__init__(what, why, next_step)
        self.what = what
        self.why = why
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.what}: {self.why}. Next: {self.next_step}"


class ConfigurationError(MarketDataError):
    """A setting or a connection is missing or wrong."""

    kind = "configuration"


class InvalidRequest(MarketDataError):
    """The caller asked for something that does not exist or is malformed; nothing was done."""

    kind = "invalid_request"


class UnknownAsset(InvalidRequest):
    """No asset has the symbol that was asked for."""

    kind = "unknown_asset"


class StreamUnavailable(MarketDataError):
    """New prices cannot be pushed now; what is stored can be read all the same."""

    kind = "stream_unavailable"
    retryable = True


class VendorError(MarketDataError):
    """One vendor call did not give an authoritative answer.

    ``vendor`` is ``polygon`` or ``coingecko``; ``endpoint`` a path template without values or keys; ``status`` the
    HTTP status, 0 where none arrived. ``retry_after`` is seconds to wait, where the vendor or our quota said so.
    ``requests`` were sent for the call, ``rate_limited`` of them met a 429, in ``elapsed_ms`` of HTTP.
    """

    kind = "vendor"
    requests: int = 0
    rate_limited: int = 0
    elapsed_ms: float = 0.0

    def __init__(
        self,
        what: str,
        why: str,
        next_step: str,
        *,
        vendor: str,
        endpoint: str,
        status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, why, next_step)
        self.vendor = vendor
        self.endpoint = endpoint
        self.status = status
        self.retry_after = retry_after


class NotYet(VendorError):
    """The vendor has not published this session yet; it stays missing."""

    kind = "not_yet"
    retryable = True


class NotEntitled(VendorError):
    """The plan does not give it. ``scope`` is what it does not give: a ``symbol``, an ``endpoint`` or ``history``."""

    kind = "not_entitled"
    scope: ClassVar[str] = "symbol"


class EndpointNotEntitled(NotEntitled):
    """The plan does not give the endpoint, whatever is asked of it."""

    scope = "endpoint"


class BeyondHistory(NotEntitled):
    """What was asked for lies before the history that the plan gives: a limit of the plan, not a failure of a run."""

    kind = "beyond_history"
    scope = "history"


class KeyRejected(VendorError):
    """The vendor does not accept the key: no further call to it makes sense in this run."""

    kind = "key_rejected"


class RateLimited(VendorError):
    """Too many calls: the vendor's 429 after all waits, or our own quota within the time allowed."""

    kind = "rate_limited"
    retryable = True


class VendorDown(RateLimited):
    """The vendor failed so often in a row that nothing is sent to it for a while: a pause, told as a failure."""

    kind = "transient"


class Gone(VendorError):
    """The vendor does not know the symbol."""

    kind = "gone"


class TransientFailure(VendorError):
    """Network failure, time-out, 5xx or a truncated body."""

    kind = "transient"
    retryable = True


class ContractBroken(VendorError):
    """A well-delivered answer that breaks the vendor's contract: HTML, a missing field, a wrong type, a paging loop."""

    kind = "contract_broken"


class StorageError(MarketDataError):
    """The database could not do what was asked; nothing was stored by the failed transaction."""

    kind = "storage"


class DatabaseUnavailable(StorageError):
    """The database cannot be reached, or takes no more connections."""

    kind = "database_unavailable"
    retryable = True


class DatabaseBusy(StorageError):
    """A lock or a statement took longer than the time allowed, or transactions kept colliding."""

    kind = "database_busy"
    retryable = True


class DatabaseReadOnly(StorageError):
    """The database refuses writes."""

    kind = "database_read_only"


class SchemaMismatch(StorageError):
    """The schema is missing, older or newer than this code."""

    kind = "schema_mismatch"
