"""What a caller may ask of ``data_migration``, checked before anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

from marketdata.errors import InvalidRequest

Source = Literal["none", "file", "legacy"]

SOURCES: tuple[Source, ...] = ("none", "file", "legacy")

# Names of files below the import directory, and of Airflow connections; what they lead to is checked when it is opened.
PATH_PATTERN = r"^[^\x00]{0,500}(?![\s\S])"
CONNECTION_PATTERN = r"^[A-Za-z0-9_.-]{0,200}(?![\s\S])"

_KEYS = ("source", "file", "spec", "connection", "dry_run")


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What to import: ``file`` and ``spec`` below the import directory, or the old system behind ``connection``.

    ``connection`` is the name of an Airflow connection; an address with a password has no place in a request.
    """

    source: Source = "none"
    file: str = ""
    spec: str = ""
    connection: str = ""
    dry_run: bool = False

    @classmethod
    def from_conf(cls, conf: Mapping[str, object]) -> Self:
        """Check a trigger's ``conf``, merged with the defaults; raises InvalidRequest naming the first thing wrong."""
        for key in conf:
            if key not in _KEYS:
                raise InvalidRequest(f"conf key {key!r:.80}", "it does not exist", f"use one of {', '.join(_KEYS)}")
        source = conf.get("source", "none")
        if source not in SOURCES:
            raise InvalidRequest(f"source {source!r:.80}", "it does not exist", f"use one of {', '.join(SOURCES)}")
        dry_run = conf.get("dry_run", False)
        if not isinstance(dry_run, bool):
            raise InvalidRequest(f"dry_run {dry_run!r:.80}", "it is no boolean", "write true or false")
        asked = cls(
            source,
            _text(conf, "file", PATH_PATTERN),
            _text(conf, "spec", PATH_PATTERN),
            _text(conf, "connection", CONNECTION_PATTERN),
            dry_run,
        )
        asked.refuse_incomplete()
        return asked

    def refuse_incomplete(self) -> None:
        """Raise InvalidRequest where the source needs something that is not named."""
        needed = {"none": {}, "file": {"file": self.file, "spec": self.spec}, "legacy": {"connection": self.connection}}
        for name, value in needed[self.source].items():
            if not value:
                raise InvalidRequest(
                    f"{name} is not named", f"source {self.source!r} needs it", f'write "{name}": "..."'
                )


def _text(conf: Mapping[str, object], key: str, pattern: str) -> str:
    given = conf.get(key) or ""
    if not isinstance(given, str) or re.match(pattern, given) is None:
        raise InvalidRequest(f"{key} {given!r:.80}", "it is malformed", "write a plain name")
    return given
