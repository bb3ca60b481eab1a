"""A process of its own that calls a vendor over and over: ``python -m tests.hooks.caller URL REDIS_URL COUNT``.

Prints one line a call: ``ok``, or the kind of its error and the seconds to wait. And one a pause that it was told of:
``paused``, the seconds, and the monotonic instants between which all callers were told.
"""

from __future__ import annotations

import sys
import time
from datetime import date

from marketdata.errors import VendorError
from marketdata.hooks import shared_windows
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.http import Patience
from marketdata.hooks.polygon import PolygonHook
from marketdata.hooks.quota import Quota
from marketdata.hooks.transport import Timeouts
from tests.hooks.accounts import KEY


class TellingQuota(Quota):
    """Says when everybody was paused."""

    def push_back(self, seconds: float) -> None:
        before = time.monotonic()
        super().push_back(seconds)
        sys.stdout.write(f"paused {seconds} {before} {time.monotonic()}\n")


def main(url: str, redis_url: str, count: int) -> None:
    """Ask for ``count`` market days, one after the other."""
    connection = VendorConnection("polygon", url, key=KEY, plan="starter", requests_per_minute=6000)
    shared_windows._SOCKET_SECONDS = 30.0  # a busy machine is no hung Redis
    patience = Patience(Timeouts(connect=30, read=30, total=60), quota_wait=30)
    hook = PolygonHook(connection=connection, quota=TellingQuota.of(connection, redis_url), patience=patience)
    for _ in range(count):
        try:
            hook.market_day(date(2026, 3, 9))
        except VendorError as error:
            sys.stdout.write(f"{error.kind} {error.retry_after}\n")
        else:
            sys.stdout.write("ok\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
