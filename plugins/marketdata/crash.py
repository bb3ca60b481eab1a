"""Named points at which a test, or an operator's drill, can kill the process: crash safety is proven, not assumed."""

from __future__ import annotations

import os
from typing import Literal

CrashPoint = Literal[
    "after_fetch", "after_validate", "mid_copy", "after_copy", "after_merge", "after_commit", "after_cache"
]

_KILLED = 137


def crash_point(name: CrashPoint) -> None:
    """End the process at once, as SIGKILL would, if ``MARKETDATA_CRASH_AT`` is ``name``; else do nothing."""
    if os.environ.get("MARKETDATA_CRASH_AT") == name:
        os._exit(_KILLED)
