"""The one setting that says from when on data is stale."""

from __future__ import annotations

import pytest

from marketdata.domain.stale_limits import DEFAULT_LIMITS, Limit, Limits
from marketdata.errors import ConfigurationError


def test_the_default_holds_where_nothing_is_given() -> None:
    assert Limits.parse("") == Limits.parse(DEFAULT_LIMITS)
    assert Limits.parse("").latest == Limit(4, 9)
    assert Limits.parse("").quiet == Limit(780)


def test_a_subject_that_is_left_out_keeps_its_default() -> None:
    limits = Limits.parse("latest=2/3, quiet=100")
    assert (limits.latest, limits.quiet) == (Limit(2, 3), Limit(100))
    assert limits.daily == Limits.parse("").daily


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("latest", "no subject=warn/error"),
        ("latest=4/9,", "no subject=warn/error"),
        ("latest=four/nine", "no subject=warn/error"),
        ("latest=4.5/9", "no subject=warn/error"),
        ("latest=-4/9", "no subject=warn/error"),
        ("latest=4/" + "9" * 5000, "no subject=warn/error"),
        ("latest=4/9/12", "no subject=warn/error"),
        ("weekly=4/9", "there is no subject 'weekly'"),
        ("latest=4/9,latest=5/10", "latest is given twice"),
        ("latest=4", "latest takes two ages"),
        ("quiet=10/20", "quiet takes one age"),
        ("latest=9/4", "0 < warn < error"),
        ("latest=4/4", "0 < warn < error"),
        ("latest=0/9", "0 < warn < error"),
        ("latest=4/0", "0 < warn < error"),
        ("quiet=0", "0 < warn < error"),
        ("quiet=999999", "0 < warn < error"),
    ],
)
def test_nonsense_is_refused_with_the_reason_and_the_default(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=r"MARKETDATA_STALE_AFTER") as refused:
        Limits.parse(text)
    assert why in refused.value.why
    assert DEFAULT_LIMITS in refused.value.next_step


def test_a_level_is_reached_beyond_its_age_and_what_is_allowed_besides() -> None:
    limit = Limit(4, 9)
    assert [limit.level(age) for age in (4, 4.1, 9, 9.1)] == ["fresh", "warn", "warn", "error"]
    assert [limit.level(age, 15) for age in (19, 19.1, 24.1)] == ["fresh", "warn", "error"]
    assert Limit(4).level(10_000) == "warn"
