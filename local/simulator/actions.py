"""What companies do to their shares: splits, what the vendor makes of them, and dividends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

SMALL_DIVIDEND = 1.25  # a new share for at least every fourth old one is a split, less is a stock dividend


@dataclass(frozen=True, slots=True)
class ReportedSplit:
    """A split as the vendor lists it, right or wrong."""

    execution_date: date
    split_from: float
    split_to: float

    @property
    def ratio(self) -> float:
        return self.split_to / self.split_from

    @property
    def kind(self) -> str:
        """The vendor's ``adjustment_type``."""
        if self.ratio < 1:
            return "reverse_split"
        return "forward_split" if self.ratio >= SMALL_DIVIDEND else "stock_dividend"


@dataclass(frozen=True, slots=True)
class Split:
    """``split_from`` old shares became ``split_to`` new ones on ``execution_date``.

    ``ticker`` is the one of that day and ``company`` whose it is. ``reported`` is what the vendor lists instead of it,
    None for the truth. ``added`` splits lower raw prices from their date on; the others are in the present price level.
    """

    ticker: str
    execution_date: date
    split_from: float
    split_to: float
    company: str = ""
    reported: tuple[ReportedSplit, ...] | None = None
    added: bool = False

    @property
    def ratio(self) -> float:
        return self.split_to / self.split_from

    @property
    def listed(self) -> tuple[ReportedSplit, ...]:
        """What the vendor lists of it."""
        if self.reported is not None:
            return self.reported
        return (ReportedSplit(self.execution_date, self.split_from, self.split_to),)


@dataclass(frozen=True, slots=True)
class Dividend:
    """Cash for each share held before ``ex_date``, in ``currency`` and on the share basis of that day.

    ``frequency`` is payments a year, 0 for a single one; ``kind`` is recurring, special, supplemental, irregular or
    unknown. The vendor lists it from ``declared_on`` on.
    """

    ticker: str
    ex_date: date
    cash_amount: float
    declared_on: date
    record_date: date
    pay_date: date
    currency: str = "USD"
    frequency: int = 4
    kind: str = "recurring"
    company: str = ""
