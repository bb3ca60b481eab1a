"""From how many minutes on something is stale: the one setting ``MARKETDATA_STALE_AFTER``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from marketdata.errors import ConfigurationError

Subject = Literal["latest", "hourly", "daily", "quiet"]
SUBJECTS: tuple[Subject, ...] = ("latest", "hourly", "daily", "quiet")

DEFAULT_LIMITS = "latest=4/9,hourly=25/45,daily=60/180,quiet=780"
"""``quiet`` is two whole sessions: a thin stock that trades once a day, at no fixed time, stays below it."""

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Limit:
    """Minutes after which to warn, and after which it is an error; ``error`` None: it never is."""

    warn: int
    error: int | None = None

    def level(self, age: float, allowance: float = 0.0) -> Literal["fresh", "warn", "error"]:
        """What an age of so many minutes means, where ``allowance`` more minutes are allowed."""
        if self.error is not None and age > self.error + allowance:
            return "error"
        return "warn" if age > self.warn + allowance else "fresh"


@dataclass(frozen=True, slots=True)
class Limits:
    """``latest``, ``hourly``, ``quiet`` in minutes of trading time; ``daily`` by the clock, from when its run is due.

    ``latest``: a feed or an asset was not heard of. ``quiet``: it is heard of, but its price does not move on.
    """

    latest: Limit
    hourly: Limit
    daily: Limit
    quiet: Limit

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Read ``subject=warn/error,...``; a subject that is left out keeps its default, ``quiet`` has no error age.

        ConfigurationError for an unknown or repeated subject, for no number, and where error is not above warn.
        """
        return cls(**{**_read(DEFAULT_LIMITS), **(_read(text) if text else {})})


def _read(text: str) -> dict[str, Limit]:
    found: dict[str, Limit] = {}
    for part in text.split(","):
        subject, _, ages = part.strip().partition("=")
        given = ages.split("/")
        if len(given) > 2 or not all(age.isascii() and age.isdecimal() and len(age) < 8 for age in given):
            raise _refused(text, f"{part.strip()!r:.40} is no subject=warn/error")
        if subject not in SUBJECTS:
            raise _refused(text, f"there is no subject {subject!r:.40}, only {', '.join(SUBJECTS)}")
        if subject in found:
            raise _refused(text, f"{subject} is given twice")
        if (len(given) == 1) != (subject == "quiet"):
            wanted = "one age, it is never an error" if subject == "quiet" else "two ages, warn and error"
            raise _refused(text, f"{subject} takes {wanted}")
        limit = Limit(*(int(age) for age in given))
        if not 0 < limit.warn < (_MOST if limit.error is None else limit.error) <= _MOST:
            raise _refused(text, f"{part.strip()} is not 0 < warn < error, at most {_MOST:,} minutes")
        found[subject] = limit
    return found


def _refused(text: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"MARKETDATA_STALE_AFTER={text!r:.120}", why, f"write {DEFAULT_LIMITS}, or unset it")
