"""Opens the file of an import, and nothing else: what it may be, how large, and where it may lie (fault S07).

A DAG names files inside one directory, and no step of the way there may be a symbolic link. The command line takes the
path that its user names, with that user's rights. Type and size limits hold for both, compressed content included.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import stat
import tomllib
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, Literal, cast

from marketdata import settings
from marketdata.domain.import_spec import ImportSpec, parse_spec
from marketdata.errors import InvalidRequest

FileKind = Literal["csv", "csv.gz", "parquet"]

_MAGIC: dict[FileKind, bytes] = {"csv.gz": b"\x1f\x8b", "parquet": b"PAR1"}
_SPEC_BYTES = 256 * 1024
_BLOCK = 1 << 20
_NO_LINK = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # non-blocking: a pipe must not hold us up


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that an import file may be: its bytes on disk, its bytes once unpacked, its rows."""

    file_bytes: int
    decoded_bytes: int
    rows: int

    @classmethod
    def from_settings(cls) -> Limits:
        """As the environment sets them; unpacked, a file may be four times the size that it may have on disk."""
        size = settings.import_max_bytes()
        return cls(size, 4 * size, settings.import_max_rows())


@dataclass(frozen=True, slots=True)
class ImportFile:
    """An open, regular file of a known type within the limits. ``digest`` is its SHA-256, in hex."""

    name: str
    kind: FileKind
    size: int
    digest: str
    limits: Limits
    _descriptor: int
    _stamp: tuple[int, int]

    @contextmanager
    def content(self) -> Iterator[BinaryIO]:
        """Its bytes from the start, unpacked; reading refuses a CSV that holds NUL or unpacks beyond the limit."""
        with ExitStack() as stack:
            stream: BinaryIO = stack.enter_context(os.fdopen(os.dup(self._descriptor), "rb"))
            stream.seek(0)
            if self.kind == "csv.gz":
                stream = cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=stream)))
            if self.kind != "parquet":
                stream = cast("BinaryIO", _Bounded(stream, self.name, self.limits.decoded_bytes))
            yield stream

    def refuse_if_changed(self) -> None:
        """Raise InvalidRequest if somebody wrote into the file since it was opened."""
        if _stamp(os.fstat(self._descriptor)) != self._stamp:
            why = "it changed while it was read: what is stored of it so far stays"
            raise _refused(self.name, why, "import it again once nobody writes to it")


@contextmanager
def opened(path: str, *, base: Path | None, limits: Limits) -> Iterator[ImportFile]:
    """The file at ``path`` for the length of a ``with``; InvalidRequest says what is wrong with it.

    With ``base`` the path is taken from there and must stay inside; without, it is any path of this process's user.
    """
    kind = _kind(path)
    with _opened(path, base) as descriptor:
        facts = os.fstat(descriptor)
        _refuse_size(path, facts.st_size, limits.file_bytes)
        if not os.pread(descriptor, 4, 0).startswith(_MAGIC.get(kind, b"")):
            raise _refused(path, f"its first bytes are not those of a .{kind} file", "name it after what it is")
        digest = _digest(descriptor)
        yield ImportFile(PurePath(path).name, kind, facts.st_size, digest, limits, descriptor, _stamp(facts))


def read_spec(path: str, *, base: Path | None) -> ImportSpec:
    """The checked spec in a .toml or .json file; InvalidRequest names the line or the key that is wrong."""
    return parse_spec(read_spec_keys(path, base=base))


def read_spec_keys(path: str, *, base: Path | None) -> dict[str, object]:
    """What a spec file holds, unchecked; InvalidRequest if it is no TOML, or no JSON object."""
    suffix = PurePath(path).suffix
    if suffix not in {".toml", ".json"}:
        raise _refused(path, f"a spec is no {suffix or 'file without an ending'}", "write it as .toml or .json")
    with _opened(path, base) as descriptor:
        _refuse_size(path, os.fstat(descriptor).st_size, _SPEC_BYTES)
        data = os.pread(descriptor, _SPEC_BYTES, 0)
    try:
        text = data.decode("utf-8-sig")
        given = tomllib.loads(text) if suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"it is no {suffix[1:].upper()}: {error}", "mend that place") from error
    if not isinstance(given, dict):
        raise _refused(path, "it holds no keys", 'write { "name": ..., "columns": { ... } }')
    return given


class _Bounded(io.RawIOBase):
    """A stream that ends with InvalidRequest at a NUL, at damaged compression, and past a number of bytes."""

    def __init__(self, stream: BinaryIO, name: str, limit: int) -> None:
        super().__init__()
        self._stream = stream
        self._name = name
        self._limit = limit
        self._count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, and never more than one block."""
        try:
            data = self._stream.read(min(size, _BLOCK) if size >= 0 else _BLOCK)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _refused(self._name, f"it cannot be unpacked: {error}", "pack it again") from error
        self._count += len(data)
        if self._count > self._limit:
            why = f"unpacked it is larger than {_megabytes(self._limit)}"
            raise _refused(self._name, why, "split it, or raise MARKETDATA_IMPORT_MAX_MB")
        if b"\0" in data:
            raise _refused(self._name, "it holds NUL bytes: it is no text", "save it as CSV in UTF-8")
        return data


@contextmanager
def _opened(path: str, base: Path | None) -> Iterator[int]:
    """A descriptor of the regular file at ``path``, reached without following a link that the rules forbid."""
    if "\0" in path or not path.strip():
        raise _refused(path, "it is no path", "name a file")
    with ExitStack() as stack:
        try:
            descriptor = os.open(path, _NO_LINK) if base is None else _walk(stack, path, base)
        except OSError as error:
            raise _refused(path, _why_not(error), "name a readable file that is there") from error
        stack.callback(os.close, descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _refused(path, "it is a directory or a device, not a file", "name a file")
        yield descriptor


def _walk(stack: ExitStack, path: str, base: Path) -> int:
    """Open ``path`` below ``base`` step by step, so that no link can be put in the way between a check and its use."""
    parts = PurePath(path).parts
    root = base.resolve()
    if PurePath(path).is_absolute() or ".." in parts or not (root / path).resolve().is_relative_to(root):
        raise _refused(
            path, f"it leads out of the import directory {root}", "put the file there and name it from there"
        )
    directory = os.open(root, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    stack.callback(os.close, directory)
    for part in parts[:-1]:
        directory = os.open(part, _NO_LINK | os.O_DIRECTORY, dir_fd=directory)
        stack.callback(os.close, directory)
    return os.open(parts[-1], _NO_LINK, dir_fd=directory)


def _why_not(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "it is a symbolic link"
    if error.errno == errno.ENOTDIR:
        return "a step of its path is a symbolic link, or no directory"
    return f"it cannot be opened: {error.strerror}"


def _kind(path: str) -> FileKind:
    kinds: tuple[FileKind, ...] = ("csv.gz", "csv", "parquet")
    for kind in kinds:
        if path.lower().endswith(f".{kind}"):
            return kind
    raise _refused(path, "its type is not one that can be imported", "give a .csv, .csv.gz or .parquet file")


def _refuse_size(path: str, size: int, limit: int) -> None:
    if size == 0:
        raise _refused(path, "it is empty", "name a file that holds something")
    if size > limit:
        why = f"its {_megabytes(size)} are more than {_megabytes(limit)}"
        raise _refused(path, why, "split it, or raise MARKETDATA_IMPORT_MAX_MB")


def _digest(descriptor: int) -> str:
    hashed = hashlib.sha256()
    at = 0
    while block := os.pread(descriptor, _BLOCK, at):
        hashed.update(block)
        at += len(block)
    return hashed.hexdigest()


def _stamp(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_size, facts.st_mtime_ns


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MB"


def _refused(path: str, why: str, next_step: str) -> InvalidRequest:
    return InvalidRequest(f"file {path!r:.200}", why, next_step)
