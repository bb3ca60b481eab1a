"""What all tables of a vendor's answer have in common: columns of one length, a row of each for one asset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Rows as columns of one length. ``symbols``: vendor symbols (object array of str)."""

    symbols: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.symbols)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of one or more parts, one part after the other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """The rows that a boolean mask or an index array picks, in that order."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))
