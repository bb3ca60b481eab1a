"""What may be imported at all (fault S07): every file that must not get in is refused, and nothing is done."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from marketdata.errors import ConfigurationError, InvalidRequest
from marketdata.flows.imports.files import Limits, opened, read_spec
from tests.flows.import_desk import HEADER, line

LIMITS = Limits(file_bytes=10_000, decoded_bytes=40_000, rows=100)
ROWS = f"{HEADER}\n{line('AAPL', '2026-11-20')}\n"

Make = Callable[[Path], str]


@pytest.fixture
def imports(tmp_path: Path) -> Path:
    """The import directory, beside a file that nobody may reach from it."""
    (tmp_path / "secret.csv").write_text(ROWS, encoding="utf-8")
    folder = tmp_path / "imports"
    (folder / "deep").mkdir(parents=True)
    (folder / "good.csv").write_text(ROWS, encoding="utf-8")
    (folder / "deep" / "good.csv").write_text(ROWS, encoding="utf-8")
    return folder


def unpack(folder: Path, name: str) -> Iterator[bytes]:
    """What a file unpacks to, in blocks of 1,000 bytes."""
    with opened(name, base=folder, limits=LIMITS) as file, file.content() as content:
        while block := content.read(1000):
            yield block


def _link(folder: Path) -> str:
    (folder / "link.csv").symlink_to(folder / "good.csv")
    return "link.csv"


def _link_out(folder: Path) -> str:
    (folder / "out.csv").symlink_to("../secret.csv")
    return "out.csv"


def _linked_folder(folder: Path) -> str:
    (folder / "shallow").symlink_to(folder / "deep")
    return "shallow/good.csv"


def _pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe.csv")
    return "pipe.csv"


def _folder(folder: Path) -> str:
    (folder / "folder.csv").mkdir()
    return "folder.csv"


def _large(folder: Path) -> str:
    (folder / "large.csv").write_bytes(b"x" * 10_001)
    return "large.csv"


def _empty(folder: Path) -> str:
    (folder / "empty.csv").touch()
    return "empty.csv"


def _false_name(folder: Path) -> str:
    (folder / "csv.parquet").write_text(ROWS, encoding="utf-8")
    return "csv.parquet"


def _unpacked(folder: Path) -> str:
    (folder / "plain.csv.gz").write_text(ROWS, encoding="utf-8")
    return "plain.csv.gz"


@pytest.mark.fault("S07")
@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda _: "../secret.csv", "leads out of the import directory", id="traversal"),
        pytest.param(lambda _: "deep/../../secret.csv", "leads out of the import directory", id="traversal inside"),
        pytest.param(lambda _: "../../../../../../etc/passwd.csv", "leads out of", id="traversal to etc"),
        pytest.param(lambda folder: str(folder / "good.csv"), "leads out of the import directory", id="absolute"),
        pytest.param(lambda _: "good.csv\0.txt.csv", "it is no path", id="NUL"),
        pytest.param(lambda _: "", "its type is not one", id="nothing"),
        pytest.param(lambda _: " .csv", "cannot be opened", id="blank"),
        pytest.param(_link, "symbolic link", id="link"),
        pytest.param(_link_out, "leads out of the import directory", id="link out"),
        pytest.param(_linked_folder, "symbolic link", id="link on the way"),
        pytest.param(_pipe, "not a file", id="pipe"),
        pytest.param(_folder, "not a file", id="directory"),
        pytest.param(_large, "more than", id="too large"),
        pytest.param(_empty, "it is empty", id="empty"),
        pytest.param(lambda _: "good.xlsx", "its type is not one", id="type"),
        pytest.param(_false_name, "not those of a .parquet", id="no parquet"),
        pytest.param(_unpacked, "not those of a .csv.gz", id="no gzip"),
        pytest.param(lambda _: "missing.csv", "No such file", id="missing"),
        pytest.param(lambda _: "good.csv/x.csv", "no directory", id="file on the way"),
    ],
)
def test_a_file_that_must_not_get_in_is_refused(imports: Path, make: Make, why: str) -> None:
    name = make(imports)
    with pytest.raises(InvalidRequest) as refused, opened(name, base=imports, limits=LIMITS):
        pytest.fail("it was opened")
    assert why in refused.value.why
    assert refused.value.next_step


@pytest.mark.fault("S07")
@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device_is_refused_on_the_command_line_too(imports: Path, path: str) -> None:
    device = imports / "device.csv"
    device.symlink_to(path)
    with pytest.raises(InvalidRequest, match="symbolic link"), opened(str(device), base=None, limits=LIMITS):
        pytest.fail("it was opened")
    with pytest.raises(InvalidRequest, match="not one that can be imported"), opened(path, base=None, limits=LIMITS):
        pytest.fail("it was opened")


@pytest.mark.fault("S07")
def test_the_command_line_names_any_path_and_the_limits_hold(imports: Path) -> None:
    with opened(str(imports.parent / "secret.csv"), base=None, limits=LIMITS) as file:
        assert (file.name, file.kind, len(file.digest)) == ("secret.csv", "csv", 64)
    large = imports / _large(imports)
    with pytest.raises(InvalidRequest, match="more than"), opened(str(large), base=None, limits=LIMITS):
        pytest.fail("it was opened")


@pytest.mark.fault("S07")
def test_a_directory_in_the_import_directory_is_fine(imports: Path) -> None:
    with opened("deep/good.csv", base=imports, limits=LIMITS) as file, file.content() as content:
        assert content.read(10_000).decode() == ROWS


@pytest.mark.fault("S07")
def test_a_bomb_stops_at_the_limit_of_what_it_unpacks_to(imports: Path) -> None:
    with gzip.open(imports / "bomb.csv.gz", "wb", compresslevel=9) as bomb:
        for _ in range(8):
            bomb.write(b"A" * 2**20)
    assert (imports / "bomb.csv.gz").stat().st_size < LIMITS.file_bytes
    blocks = unpack(imports, "bomb.csv.gz")
    assert sum(1 for _ in zip(range(40), blocks, strict=False)) == 40
    with pytest.raises(InvalidRequest, match="unpacked it is larger than"):
        next(blocks)


@pytest.mark.fault("S07")
def test_damaged_compression_and_nul_bytes_are_refused(imports: Path) -> None:
    packed = gzip.compress(ROWS.encode() * 50)
    (imports / "cut.csv.gz").write_bytes(packed[:-10])
    (imports / "nul.csv").write_bytes(b"a,b\n1,\0\n")
    for name, why in (("cut.csv.gz", "cannot be unpacked"), ("nul.csv", "NUL bytes")):
        with pytest.raises(InvalidRequest, match=why):
            list(unpack(imports, name))


def test_a_file_that_somebody_writes_to_is_noticed(imports: Path) -> None:
    with opened("good.csv", base=imports, limits=LIMITS) as file:
        file.refuse_if_changed()
        with (imports / "good.csv").open("a", encoding="utf-8") as end:
            end.write(line("AAPL", "2026-11-19"))
        with pytest.raises(InvalidRequest, match="changed while it was read"):
            file.refuse_if_changed()


@pytest.mark.fault("S07")
def test_limits_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limits.from_settings() == Limits(50 * 2**20, 200 * 2**20, 1_000_000)
    monkeypatch.setenv("MARKETDATA_IMPORT_MAX_MB", "2")
    monkeypatch.setenv("MARKETDATA_IMPORT_MAX_ROWS", "5")
    assert Limits.from_settings() == Limits(2 * 2**20, 8 * 2**20, 5)
    monkeypatch.setenv("MARKETDATA_IMPORT_MAX_ROWS", "many")
    with pytest.raises(ConfigurationError, match="MARKETDATA_IMPORT_MAX_ROWS"):
        Limits.from_settings()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        pytest.param("a.toml", b'name = "x"\ncolumns = = 1', "it is no TOML: .*line 2", id="toml"),
        pytest.param("a.json", b'{"name": }', "it is no JSON: .*line 1", id="json"),
        pytest.param("b.json", b"[1]", "it holds no keys", id="list"),
        pytest.param("c.json", b"[" * 100_000, "it is no JSON", id="deep"),
        pytest.param("a.yaml", b"name: x", "a spec is no .yaml", id="yaml"),
        pytest.param("b.toml", b"\xff\xfe", "it is no TOML", id="encoding"),
        pytest.param("c.toml", b"#" * 300_000, "more than", id="large"),
        pytest.param("d.toml", b'name = "x"', "it is missing", id="incomplete"),
    ],
)
def test_a_spec_that_cannot_be_read_names_the_place(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidRequest, match=why):
        read_spec(name, base=tmp_path)


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'name = "acme"\n[columns]\nsymbol = "S"\nsession = "D"\nclose = "C"\n', encoding="utf-8"
    )
    (tmp_path / "a.json").write_text(
        '{"name": "acme", "columns": {"symbol": "S", "session": "D", "close": "C"}}', encoding="utf-8"
    )
    assert read_spec("a.toml", base=tmp_path) == read_spec(str(tmp_path / "a.json"), base=None)
