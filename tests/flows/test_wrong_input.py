"""Whatever a person or an office can get wrong: one clear answer, and nothing written by halves."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from flows.cli import main
from tests.conftest import needs_service
from tests.support.postgres import Server, execute, fresh_database, read_only_role
from tests.support.processes import python
from warehouse.delta import Table
from warehouse.warehouse import FORMAT

TABLE = """\
source: so-thu
connector: {type: sql, url: "${SO_THU_URL}", connect_timeout: 2}
streams:
  ho_so:
    table: v_ho_so
    key: so
    into: [{entity: dossier, columns: {dossier_code: so, procedure_name: ten, fee: le_phi}}]
"""
FOLDER = """\
source: xa-thu
connector: {type: files, path: ../desk}
streams:
  ho_so:
    files: "*.csv"
    mode: snapshot
    key: so
    into: [{entity: dossier, columns: {dossier_code: so, procedure_name: ten}}]
"""
GOOD = "so,ten\nHS-1,khai sinh\nHS-2,kết hôn\n"


@dataclass(frozen=True)
class Place:
    """A folder with sources, a desk of files and a warehouse."""

    root: Path

    def yaml(self, name: str, text: str) -> Path:
        (self.root / "sources").mkdir(exist_ok=True)
        path = self.root / "sources" / f"{name}.yaml"
        path.write_text(text, "utf-8")
        return path

    def desk(self, content: bytes | str, name: str = "thang-3.csv") -> Path:
        (self.root / "desk").mkdir(exist_ok=True)
        path = self.root / "desk" / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, *words: str) -> Result:
        options = ["--warehouse", str(self.root / "warehouse"), "--sources"]
        return CliRunner().invoke(main, [*options, str(self.root / "sources"), "-q", *words])

    def sync(self) -> Result:
        return self.run("sync")

    @property
    def landed(self) -> int:
        """Rows in landing."""
        log = self.root / "warehouse" / "restricted" / "landing"
        tables = [Table.open(str(path.parent)) for path in log.rglob("_delta_log")]
        return sum(table.scan().collect().height for table in tables if table is not None)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def said(result: Result, status: int) -> str:
    """The whole output of a command that ended as it should, without a traceback."""
    text = result.output
    assert result.exit_code == status, text
    assert "Traceback" not in text
    return text


@pytest.fixture
def database(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch, place: Place
) -> Iterator[str]:
    """An office's database, reached by a read-only role with a password."""
    with fresh_database(postgres_server) as url:
        execute(
            url,
            "CREATE TABLE v_ho_so (so text PRIMARY KEY, ten text, le_phi numeric(12,2))",
            "INSERT INTO v_ho_so VALUES ('HS-1', 'khai sinh', 1.5)",
        )
        with read_only_role(postgres_server, url, password="dung") as reader:
            monkeypatch.setenv("SO_THU_URL", reader)
            place.yaml("so-thu", TABLE)
            yield url


def test_an_unknown_key_is_told_with_file_line_and_nearest_name(place: Place) -> None:
    place.yaml("xa-thu", FOLDER.replace("    mode:", "    mod:"))
    text = said(place.run("sync", "xa-thu"), 2)
    assert "xa-thu.yaml" in text
    assert "6" in text
    assert "mod" in text
    assert "'mode'" in text


def test_a_missing_variable_is_named_with_its_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SO_THU_URL", raising=False)
    place.yaml("so-thu", TABLE)
    for verb in ("check", "sync"):
        text = said(place.run(verb, "so-thu"), 2)
        assert "SO_THU_URL" in text
        assert "so-thu.yaml" in text


def test_a_missing_variable_stops_no_other_source(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SO_THU_URL", raising=False)
    place.yaml("so-thu", TABLE)
    place.yaml("xa-thu", FOLDER)
    place.desk(GOOD)
    assert "SO_THU_URL" in said(place.sync(), 3)
    assert place.landed == 2


def test_a_wrong_password_is_the_offices_matter_and_is_not_shown(
    place: Place, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SO_THU_URL", os.environ["SO_THU_URL"].replace(":dung@", ":sai-mat-khau@"))
    text = said(place.run("sync", "so-thu"), 1)
    assert "password" in text.lower()
    assert "sai-mat-khau" not in text
    assert database


def test_an_unreachable_host_is_a_matter_of_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SO_THU_URL", "postgresql://reader:bi-mat@127.0.0.1:1/office")
    place.yaml("so-thu", TABLE)
    text = said(place.run("sync", "so-thu"), 1)
    assert "reach" in text
    assert "bi-mat" not in text


def test_a_missing_table_is_named(place: Place, database: str) -> None:
    execute(database, "ALTER TABLE v_ho_so RENAME TO v_ho_so_cu")
    assert "v_ho_so" in said(place.run("sync", "so-thu"), 1)


def test_a_missing_column_is_named_with_the_nearest_and_nothing_is_written(
    place: Place, database: str
) -> None:
    said(place.run("sync", "so-thu"), 0)
    execute(database, "ALTER TABLE v_ho_so RENAME COLUMN ten TO ten_2")
    text = said(place.run("sync", "so-thu"), 1)
    assert "'ten'" in text
    assert "ten_2" in text
    assert place.landed == 1


def test_a_changed_type_is_named_old_and_new_and_nothing_is_written(
    place: Place, database: str
) -> None:
    said(place.run("sync", "so-thu"), 0)
    execute(
        database,
        "ALTER TABLE v_ho_so ALTER le_phi TYPE double precision",
        "INSERT INTO v_ho_so VALUES ('HS-2', 'kết hôn', 2.5)",
    )
    text = said(place.run("sync", "so-thu"), 1)
    for word in ("le_phi", "decimal", "double"):
        assert word in text
    assert place.landed == 1


@pytest.mark.parametrize(
    ("content", "answer"),
    [(b"", "'thang-3.csv' is empty"), (b"\xef\xbb\xbf", "'thang-3.csv': no line of cells")],
)
def test_an_empty_file_is_named(place: Place, content: bytes, answer: str) -> None:
    place.yaml("xa-thu", FOLDER)
    place.desk(content)
    assert "thang-3.csv" in said(place.sync(), 1)
    assert place.landed == 0


def test_binary_junk_named_csv_is_named(place: Place) -> None:
    place.yaml("xa-thu", FOLDER)
    place.desk(bytes(range(256)) * 400)
    assert "thang-3.csv" in said(place.sync(), 1)
    assert place.landed == 0


def test_a_single_line_of_200_mb_is_refused_in_bounded_memory(place: Place) -> None:
    place.yaml("xa-thu", FOLDER)
    path = place.desk("")
    with path.open("wb") as file:
        file.write(GOOD.encode())
        for _ in range(200):
            file.write(b"x" * 1_000_000)
    peak = python(
        "from pathlib import Path\n"
        "from flows.receipts import SyncOptions\n"
        "from flows.steps import open_context, sync\n"
        "context = open_context(warehouse_uri=sys.argv[1], sources_dir=Path(sys.argv[2]))\n"
        "(one,) = sync(context, [], SyncOptions())\n"
        "assert (one.read, one.landed, one.unreadable) == (3, 2, 1), one\n"
        "print(peak_mib())",
        str(place.root / "warehouse"),
        str(place.root / "sources"),
    )
    assert int(peak) < 700
    assert "line_too_long" in said(place.run("quarantine", "list"), 0)


@pytest.fixture
def open_place() -> Iterator[Place]:
    """A place outside pytest's own folder, which is shut to everybody but its user."""
    with tempfile.TemporaryDirectory(prefix="lienthong-") as folder:
        yield Place(Path(folder).resolve())


def test_a_folder_without_permission_is_named(open_place: Place) -> None:
    if os.geteuid() != 0:
        needs_service("only root can become somebody who may not read a folder")
    place = open_place
    place.yaml("xa-thu", FOLDER)
    place.desk(GOOD)
    (place.root / "desk").chmod(0o700)
    text = python(
        "import os\n"
        "from pathlib import Path\n"
        "from flows.receipts import SyncOptions\n"
        "from flows.steps import open_context, sync\n"
        "root = Path(sys.argv[1])\n"
        "def night():\n"
        "    context = open_context(\n"
        "        warehouse_uri=str(root / 'warehouse'), sources_dir=root / 'sources')\n"
        "    return sync(context, [], SyncOptions())[0]\n"
        "assert night().status == night().status == 'done'\n"  # what is imported late is there
        "for path in [root, *root.rglob('*')]:\n"
        "    os.chown(path, *((0, 0) if 'desk' in path.parts else (65534, 65534)))\n"
        "os.setuid(65534)\n"
        "one = night()\n"
        "print(one.status, one.error)",
        str(place.root),
    )
    assert text.startswith("failed")
    assert "permission" in text.lower()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        needs_service("a small file system can't be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_so_and_the_same_command_succeeds_afterwards(
    place: Place, small_disk: Path
) -> None:
    place.yaml("xa-thu", FOLDER)
    place.desk("so,ten\n" + "".join(f"HS-{i},{os.urandom(16).hex()}\n" for i in range(20_000)))
    warehouse = ["--warehouse", str(small_disk / "warehouse"), "--sources"]
    words = [*warehouse, str(place.root / "sources"), "-q", "sync"]
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 5_500_000)
    text = said(CliRunner().invoke(main, words), 1)
    assert "disk is full" in text
    ballast.unlink()
    said(CliRunner().invoke(main, words), 0)
    audit = CliRunner().invoke(main, [*words[:-1], "audit"])
    assert "20,000 rows" in said(audit, 0)


def test_a_newer_warehouse_is_refused_with_a_word(place: Place) -> None:
    place.yaml("xa-thu", FOLDER)
    place.desk(GOOD)
    said(place.sync(), 0)
    meta = Table.open(str(place.root / "warehouse" / "restricted" / "warehouse"))
    assert meta is not None
    row = {
        "format_version": FORMAT + 1, "key_fingerprint": "x", "created_at": datetime.now(UTC),
    }  # fmt: skip
    meta.append(pa.Table.from_pylist([row], meta.schema))
    for words in (["sync"], ["status"], ["sql", "SELECT 1"]):
        assert "newer" in said(place.run(*words), 1)


def test_another_person_key_stops_before_any_write(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.yaml("xa-thu", FOLDER)
    place.desk(GOOD)
    said(place.sync(), 0)
    place.desk(GOOD + "HS-3,khai tử\n")
    monkeypatch.setenv("LIENTHONG_PERSON_KEY", "ab" * 32)
    text = said(place.sync(), 1)
    assert "another person key" in text
    assert "abab" not in text
    assert place.landed == 2


def test_a_warehouse_that_is_a_file_is_refused(place: Place) -> None:
    place.yaml("xa-thu", FOLDER)
    place.desk(GOOD)
    (place.root / "warehouse").write_text("not a folder")
    assert "warehouse" in said(place.sync(), 1)
    assert (place.root / "warehouse").read_text() == "not a folder"


def test_a_broken_yaml_stops_only_its_own_source(place: Place) -> None:
    place.yaml("xa-thu", FOLDER)
    place.yaml("xa-hong", "source: xa-hong\nconnector: [\n")
    place.desk(GOOD)
    text = said(place.sync(), 3)
    assert "xa-hong" in text
    assert place.landed == 2


def test_ctrl_c_in_an_audit_ends_with_130(place: Place) -> None:
    code = (
        "import signal, sys, threading, os\n"
        "from warehouse import duck\n"
        "kept = duck.md5_of\n"
        "def interrupted(*words):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return kept(*words)\n"
        "import warehouse.hashing as hashing\n"
        "hashing.md5_of = interrupted\n"
        "from flows.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    place.yaml("xa-thu", FOLDER)
    place.desk(GOOD)
    said(place.sync(), 0)
    words = ["--warehouse", str(place.root / "warehouse"), "--sources"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, str(place.root / "sources"), "audit"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert "Interrupted" in done.stderr
