"""The page of the cache is made from the code, and its examples are values that a reader takes."""

from __future__ import annotations

import re

from local.cache_page import cache_page
from local.docs import DOCS
from marketdata.storage.cache_keys import CACHE_KEYS
from marketdata.storage.cache_values import is_value


def test_the_page_is_the_one_that_the_code_makes() -> None:
    assert (DOCS / "cache.md").read_text(encoding="utf-8") == cache_page(), "run make docs"


def test_every_kind_of_key_stands_on_the_page_with_its_ttl() -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` \| \w+ \| (\d+ s|not kept) \|", cache_page(), re.MULTILINE))
    assert rows == {kind.pattern: f"{kind.seconds} s" if kind.seconds else "not kept" for kind in CACHE_KEYS}
    assert rows["latest_price:{symbol}"] == "60 s"
    assert rows["hourly_data:{symbol}:1D"] == "120 s"
    assert (rows["asset_data:{symbol}:{range}"], rows["asset_data:{symbol}:MAX"]) == ("300 s", "3600 s")


def test_every_example_is_a_value_of_its_key() -> None:
    examples = re.findall(r"^`(\w+:[^`]+)`.*?```json\n(.*?)```", cache_page(), re.MULTILINE | re.DOTALL)
    assert [key.partition(":")[0] for key, _ in examples] == ["latest_price", "hourly_data", "asset_data"]
    for key, value in examples:
        assert is_value(key, value.encode()), key
