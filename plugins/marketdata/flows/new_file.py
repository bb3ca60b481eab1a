"""A file that is there whole or not at all, and never in the place of another one by accident."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from marketdata.errors import InvalidRequest


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """A file to write that gets its name when the block ends without an error; else nothing is left of it.

    InvalidRequest where ``path`` is there already and not to be replaced (``force``), is no place for a file, or cannot
    be written. A link is replaced itself, not what it points to.
    """
    _refuse_impossible(path, force)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _give_name(unfinished, path, force)
    except OSError as error:
        why = f"it cannot be written: {error.strerror or error}"
        raise InvalidRequest(f"file {path}", why, "choose a folder that takes it and has space") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _refuse_impossible(path: Path, force: bool) -> None:
    if not path.parent.is_dir():
        raise InvalidRequest(f"file {path}", f"there is no folder {path.parent}", "make it first")
    if path.is_dir() or path.name in {"", "-"}:
        raise InvalidRequest(f"file {path}", "it is no name of a file", "name a file, such as bars.parquet")
    if os.path.lexists(path) and not force:
        raise _taken(path)


def _give_name(unfinished: Path, path: Path, force: bool) -> None:
    if force:
        unfinished.replace(path)
        return
    try:
        path.hardlink_to(unfinished)  # unlike a rename it fails where somebody made the file in the meantime
    except FileExistsError as error:
        raise _taken(path) from error


def _taken(path: Path) -> InvalidRequest:
    return InvalidRequest(f"file {path}", "it is there already", "choose another name, or replace it with --force")
