"""The guarded layer between our hooks and a vendor: quota, retries, decoding, paging, classification, counting.

A hook opens one ``Exchange`` for each call of its own and makes all HTTP requests of that call through it. Either the
exchange gives decoded answers, or it raises a VendorError; it never gives part of an answer.
"""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NoReturn, Protocol, TypeVar
from urllib.parse import urlencode

import msgspec

from marketdata import settings
from marketdata.errors import ContractBroken, RateLimited, TransientFailure, VendorError
from marketdata.hooks.answer import Answer
from marketdata.hooks.connection import VendorConnection
from marketdata.hooks.forms import Form
from marketdata.hooks.paths import ForeignPage, next_page
from marketdata.hooks.quota import Priority, Quota
from marketdata.hooks.samples import body_sample, cleaned, is_cut_short
from marketdata.hooks.transport import AnswerTooLarge, Received, Timeouts, Transport, WireFailure
from marketdata.hooks.waits import CAP_SECONDS, asked_wait, backoff, http_date

T = TypeVar("T")

MOST_PAGES = 100
_LONGEST_PUSH_BACK = 3600.0
_LONGEST_WHY = 500
_REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is no data, for the vendor's own rules to classify. ``what`` names the symbol or session."""

    what: str
    endpoint: str
    status: int
    body: bytes
    content_type: str
    sample: str


class Classify(Protocol):
    """A vendor's rules: the error that a refusal means, or None where they know nothing about it."""

    def __call__(self, refused: Refused) -> VendorError | None: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call may take. ``tries`` counts the first; ``quota_wait`` is the longest wait for our own quota.

    A wait for the next try that is longer than ``retry_wait`` ends the call, and no request is begun, or waited for,
    ``whole`` seconds after the call's start: the call is over one request's ``timeouts.total`` later at most.
    """

    timeouts: Timeouts = field(default_factory=Timeouts)
    tries: int = 4
    quota_wait: float = 900.0
    retry_wait: float = CAP_SECONDS
    whole: float = math.inf


class GuardedSession:
    """All requests of one vendor account, one thread at a time. ``sleep``, ``now`` and ``chance`` are for tests."""

    def __init__(
        self,
        connection: VendorConnection,
        quota: Quota,
        classify: Classify,
        *,
        priority: Priority = "batch",
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = settings.now,
        chance: random.Random | None = None,
    ) -> None:
        self.connection = connection
        self.quota = quota
        self.classify = classify
        self.priority: Priority = priority
        self.patience = patience or Patience()
        self.sleep = sleep
        self.now = now
        self.chance = chance or random.SystemRandom()
        self.transport = Transport(connection, self.patience.timeouts)

    def exchange(self, what: str, endpoint: str) -> Exchange:
        """A new call about ``what`` (named in every error); ``endpoint`` is its path template."""
        return Exchange(self, what, endpoint)

    def close(self) -> None:
        self.transport.close()


class Exchange:
    """One call to a vendor: its requests, pages and retries, and what they cost."""

    def __init__(self, session: GuardedSession, what: str, endpoint: str) -> None:
        self._session = session
        self._subject = f"{session.connection.vendor} {what}"
        self._endpoint = endpoint
        self._pages: set[str] = set()
        self._digest = hashlib.sha256()
        self._requests = self._rate_limited = self._received_bytes = self._status = 0
        self._seconds = 0.0
        self._remarks: list[str] = []
        self._dated: datetime | None = None
        self._over_at = time.monotonic() + session.patience.whole

    def get(self, path: str, params: Mapping[str, str], form: Form[T]) -> T:
        """The decoded answer of ``path`` below the base URL; every segment of it must have been quoted.

        Network failures, 408, 429 and 5xx are tried again, at most 4 times in all. Raises VendorError.
        """
        query = f"?{urlencode(params, safe=',')}" if params else ""
        url = f"{self._session.connection.base_url}{path}{query}"
        self._pages.add(url)
        return self._get(url, form)

    def follow(self, next_url: str, form: Form[T]) -> T:
        """The decoded next page, asked on our own host. ContractBroken for another host, a loop, or 100 pages."""
        try:
            page = next_page(self._session.connection, next_url)
        except ForeignPage as error:
            self.broken(f"next_url refused: {error}")
        if page in self._pages:
            self.broken("next_url leads back to a page already read")
        if len(self._pages) >= MOST_PAGES:
            self.broken(f"there are more than {MOST_PAGES} pages")
        self._pages.add(page)
        return self._get(page, form)

    def answer(self, data: T, *, delayed: bool = False, clipped_to: date | None = None) -> Answer[T]:
        """``data`` as the answer of this call, with what the call took."""
        return Answer(
            data=data,
            vendor=self._session.connection.vendor,
            endpoint=self._endpoint,
            status=self._status,
            requests=self._requests,
            rate_limited=self._rate_limited,
            received_bytes=self._received_bytes,
            elapsed_ms=self._seconds * 1000,
            received_at=self._session.now(),
            digest=self._digest.hexdigest(),
            dated=self._dated,
            delayed=delayed,
            clipped_to=clipped_to,
            warnings=tuple(dict.fromkeys(self._remarks)),
        )

    @property
    def dated(self) -> datetime | None:
        """The vendor's own clock when it first answered; None before, and where it does not say."""
        return self._dated

    def broken(self, why: str) -> NoReturn:
        """Raise ContractBroken about this call."""
        raise self._counted(self._broken(why))

    def _get(self, url: str, form: Form[T]) -> T:
        try:
            failures = 0
            while True:
                longest = min(self._session.patience.quota_wait, self._time_left())
                self._session.quota.acquire(self._session.priority, longest)
                try:
                    return self._watched(url, form)
                except (TransientFailure, RateLimited) as error:
                    failures += 1
                    self._wait_for_next_try(error, failures)
        except VendorError as error:
            raise self._counted(error) from None

    def _watched(self, url: str, form: Form[T]) -> T:
        """One try; the circuit of the key learns whether the vendor answered at all."""
        answered = True
        try:
            return self._attempt(url, form)
        except TransientFailure:
            answered = False
            raise
        finally:
            self._session.quota.note_answer(answered)

    def _attempt(self, url: str, form: Form[T]) -> T:
        started = time.perf_counter()
        self._requests += 1
        self._status = 0
        try:
            received = self._session.transport.get(url)
        except WireFailure as error:
            raise self._transient(error.why, error.next_step) from None
        except AnswerTooLarge:
            cap = self._session.patience.timeouts.max_bytes
            raise self._broken(f"the answer is larger than {cap:,} bytes") from None
        finally:
            self._seconds += time.perf_counter() - started
        self._status = received.status
        self._received_bytes += received.wire_bytes
        if received.status != 200:
            raise self._refusal(received)
        self._dated = self._dated or http_date(received.headers.get("Date", ""))
        return self._decoded(received, form)

    def _decoded(self, received: Received, form: Form[T]) -> T:
        try:
            data, remark = form.read(received.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if known := self._session.classify(self._refused(received)):
                raise known from None
            if is_cut_short(received.body, error):
                raise self._transient("the JSON ends in the middle") from None
            raise self._broken(f"{error}; {self._shown(received)}") from None
        self._digest.update(received.body)
        if remark:
            self._remarks.append(f"{self._session.connection.vendor}: {remark}")
        return data

    def _refusal(self, received: Received) -> VendorError:
        if known := self._session.classify(self._refused(received)):
            return known
        if received.status == 429:
            return self._too_many(asked_wait(received.headers, self._session.now()))
        if received.status == 408 or received.status >= 500:
            error = self._transient(f"the vendor answers {received.status}")
            error.retry_after = asked_wait(received.headers, self._session.now())
            return error
        if received.status in _REDIRECTS:
            return self._broken(f"a redirect ({received.status}) was refused")
        return self._broken(f"the vendor answers {received.status}; {self._shown(received)}")

    def _wait_for_next_try(self, error: VendorError, failures: int) -> None:
        """Sleep before the next try, after a 429 with all who use the key; raise ``error`` where no try is left."""
        is_last = failures == self._session.patience.tries
        wait = error.retry_after
        if wait is None:
            wait = CAP_SECONDS if is_last else backoff(failures, self._session.chance)
        if isinstance(error, RateLimited):
            self._rate_limited += 1
            error.retry_after = wait
            self._session.quota.push_back(min(wait, _LONGEST_PUSH_BACK))
        if is_last or wait > min(self._session.patience.retry_wait, self._over_at - time.monotonic()):
            raise error
        self._session.sleep(wait)

    def _time_left(self) -> float:
        """Seconds in which another request of this call may begin."""
        left = self._over_at - time.monotonic()
        if left <= 0:
            raise self._transient(f"there was no end of it within {self._session.patience.whole:.0f} s")
        return left

    def _counted(self, error: VendorError) -> VendorError:
        error.what, error.endpoint, error.status = self._subject, self._endpoint, error.status or self._status
        error.why = cleaned(error.why, self._session.connection.key)[:_LONGEST_WHY]
        error.args = (error.what, error.why, error.next_step)
        error.requests, error.rate_limited = self._requests, self._rate_limited
        error.elapsed_ms = self._seconds * 1000
        return error

    def _refused(self, received: Received) -> Refused:
        return Refused(
            what=self._subject,
            endpoint=self._endpoint,
            status=received.status,
            body=received.body,
            content_type=received.content_type,
            sample=body_sample(received.body, self._session.connection.key),
        )

    def _shown(self, received: Received) -> str:
        sample = body_sample(received.body, self._session.connection.key)
        return f"content type {received.content_type}, body: {sample or '(empty)'}"

    def _transient(self, why: str, next_step: str = "") -> TransientFailure:
        return TransientFailure(
            self._subject,
            why,
            next_step or "nothing to do: a later run asks again; if it lasts, see the vendor's status page",
            vendor=self._session.connection.vendor,
            endpoint=self._endpoint,
        )

    def _too_many(self, retry_after: float | None) -> RateLimited:
        return RateLimited(
            self._subject,
            "the vendor answers 429: too many requests",
            "nothing to do: it is asked again later; if it lasts, lower requests_per_minute in the connection's extra",
            vendor=self._session.connection.vendor,
            endpoint=self._endpoint,
            status=429,
            retry_after=retry_after,
        )

    def _broken(self, why: str) -> ContractBroken:
        return ContractBroken(
            self._subject,
            why,
            "compare the answer with the vendor's documentation; nothing of it was stored",
            vendor=self._session.connection.vendor,
            endpoint=self._endpoint,
            status=self._status,
        )
