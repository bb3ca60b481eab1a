"""Random numbers with random access: the same (key, step, salt) gives the same number in any order of asking."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_SALT = np.uint64(0xD1B54A32D192ED03)


def key_of(seed: int, *words: object) -> int:
    """A 64-bit key for a named thing of the world with this seed."""
    text = "\x1f".join([str(seed), *map(str, words)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _mix(value: Keys) -> Keys:
    """The finaliser of splitmix64."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _hash(key: Keys, step: Ints, salt: int) -> Keys:
    salted = np.array([salt], dtype=np.uint64) * _SALT
    return _mix(key ^ _mix(np.atleast_1d(step).astype(np.uint64) * _STEP + salted))


def uniform(key: Keys, step: Ints, salt: int) -> Floats:
    """Numbers in [0, 1), broadcast over ``key`` and ``step``."""
    return (_hash(key, step, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def bell(key: Keys, step: Ints, salt: int) -> Floats:
    """Numbers of mean 0 and variance 1 from a triangle on ±2.45, broadcast over ``key`` and ``step``."""
    bits = _hash(key, step, salt)
    low = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64)
    high = (bits >> np.uint64(32)).astype(np.float64)
    values: Floats = (low + high - 2.0**32) * (6.0**0.5 / 2.0**32)
    return values


def wave(key: Keys, position: Ints, period: int, salt: int) -> Floats:
    """A smooth curve through one random value every ``period`` positions."""
    step, within = np.divmod(position, period)
    part = within / period
    weight = part * part * (3.0 - 2.0 * part)
    before = bell(key, step, salt)
    after = bell(key, step + 1, salt)
    values: Floats = before + (after - before) * weight
    return values


def keys(values: list[int]) -> Keys:
    """Keys as a column, ready to broadcast against a row of steps."""
    return np.array(values, dtype=np.uint64).reshape(-1, 1)
