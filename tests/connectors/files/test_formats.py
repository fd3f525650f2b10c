"""What holds of every format: one content, one answer; and an answer to any input."""

from __future__ import annotations

import io
import random
import re
import zipfile
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.registry import FilesStream
from schemas.errors import ContractError, SourceError
from schemas.rules import NAMES
from tests.connectors.files.support import both, read, rows, spec
from tests.connectors.files.test_archives import ARCHIVES, PACKED
from tests.support.processes import ROOT, python
from tests.support.spoiling import spoiled
from tests.support.tables import FILES, delimited

Rows = list[dict[str, str]]
FORMATS = sorted(FILES)
OPTIONS: dict[str, dict[str, Any]] = {"xml": {"rows": "/r/d"}}
TEXT = st.text(st.sampled_from("aáằ Đệ0.7-&<>\"',;e\u0302"), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text
)


def wanted(kind: str, *columns: str, **options: Any) -> Any:
    return spec(*columns, files="a.*", **OPTIONS.get(kind, {}), **options)


@settings(max_examples=20, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(st.lists(st.fixed_dictionaries({"ma": TEXT, "ten": TEXT}), min_size=1, max_size=5))
def test_one_content_is_the_same_rows_in_every_format(tmp_path: Path, content: Rows) -> None:
    answers = {}
    for kind, write in FILES.items():
        path = tmp_path / f"a.{kind}"
        write(path, content)
        answers[kind] = [row[1:] for row in rows(tmp_path, wanted(kind, "ten", "ma"))]
        path.unlink()
    assert answers == dict.fromkeys(FILES, answers["parquet"])
    assert len(answers["parquet"]) == len(content)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_missing_column_stops_the_read_and_an_optional_one_is_null(
    tmp_path: Path, kind: str
) -> None:
    FILES[kind](tmp_path / f"a.{kind}", [{"ma": "1", "ten": "x"}])
    with pytest.raises(ContractError, match=rf"'a\.{kind}'.*'ngay'"):
        read(tmp_path, wanted(kind, "ma", "ngay"))
    (row,) = rows(tmp_path, wanted(kind, "ma", "ngay", "ten", optional=["ngay"]))
    assert row[1:] == ("1", None, "x")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_that_is_stated_beats_the_ending(tmp_path: Path, kind: str) -> None:
    FILES[kind](tmp_path / f"b.{kind}", [{"ma": "1", "ten": "x"}])
    (tmp_path / f"b.{kind}").rename(tmp_path / "a.dat")
    (row,) = rows(tmp_path, wanted(kind, "ma", "ten", format=kind))
    assert row[1:] == ("1", "x")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("other", FORMATS)
def test_a_file_under_a_false_name_is_refused_by_name(
    tmp_path: Path, kind: str, other: str
) -> None:
    if {kind, other} <= {"json", "jsonl"} or kind == other:
        return
    FILES[kind](tmp_path / f"b.{kind}", [{"ma": "1", "ten": "x"}])
    (tmp_path / f"b.{kind}").rename(tmp_path / f"a.{other}")
    with pytest.raises(SourceError, match=rf"'a\.{other}'"):
        read(tmp_path, wanted(other, "ma", "ten"))


def spoiled_part(content: bytes, chance: random.Random) -> bytes:
    """A workbook, right as an archive, with one part spoiled."""
    old, made = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    part = chance.choice([name for name in old.namelist() if name.startswith("xl/")])
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            held = old.read(name)
            new.writestr(name, spoiled(held, chance) if name == part else held)
    return made.getvalue()


def written(path: Path, content: Rows) -> None:
    """The rows in the format of the file's ending; in an archive, as its only member."""
    if path.name in PACKED:
        path.write_bytes(PACKED[path.name](delimited_bytes(content)))
    elif path.name in ARCHIVES:
        ARCHIVES[path.name](path, {"y.csv": delimited_bytes(content)})
    else:
        FILES[path.suffix[1:]](path, content)


def delimited_bytes(content: Rows) -> bytes:
    cells = [list(row.values()) for row in content]
    return delimited(cells, list(content[0]), delimiter=",", end="\n")[0].encode()


MANY = [{"ma": str(n), "ten": f"Sở {n}"} for n in range(250)]
ANY_INPUT = [*(f"x.{kind}" for kind in FORMATS), *PACKED, *ARCHIVES]


@pytest.mark.parametrize("name", [*ANY_INPUT, "x.xlsx inside"])
def test_any_input_is_rows_or_quarantine_or_an_error_that_names_the_file(
    tmp_path: Path, name: str
) -> None:
    file, _, inside = name.partition(" ")
    path = tmp_path / file
    written(path, MANY)
    right = path.read_bytes()
    spoil = spoiled_part if inside else spoiled
    kind = path.suffix[1:]
    answers = {"rows": 0, "refused": 0}
    for seed in range(120):
        path.write_bytes(spoil(right, random.Random(seed)))
        try:
            found, broken = both(tmp_path, spec("ma", "ten", files="x.*", **OPTIONS.get(kind, {})))
        except SourceError as error:  # ContractError is one
            assert f"'{file}" in str(error)
            assert "Sở" not in str(error)
            answers["refused"] += 1
        else:
            assert all(rule in NAMES for _, _, rule, _ in broken)
            assert len({line for line, *_ in found}) == len(found)
            # What carries a sum of its own is whole, or refused.
            if (file in PACKED or file in ARCHIVES) and file != "x.tar":
                assert [row[1:] for row in found] == [tuple(row.values()) for row in MANY]
            answers["rows"] += 1
    assert answers["refused"] > 0
    assert answers["rows"] > 0 or file in PACKED or file in ARCHIVES, answers


FUZZED = """
import random
from pathlib import Path
from schemas.errors import SourceError
from tests.connectors.files.test_archives import ARCHIVES, PACKED
from tests.connectors.files.support import both
from tests.connectors.files.test_formats import MANY, OPTIONS, spec, spoiled, written
path = Path(sys.argv[1]) / sys.argv[2]
wanted = spec("ma", "ten", files="x.*", **OPTIONS.get(path.suffix[1:], {}))
written(path, MANY)
right, base = path.read_bytes(), None
for seed in range(1000, 1060):
    path.write_bytes(right if base is None else spoiled(right, random.Random(seed)))
    try:
        both(path.parent, wanted)
    except SourceError:
        pass
    base = base or peak_mib()
print(peak_mib() - base)
"""


@pytest.mark.parametrize("name", ["x.parquet", "x.xlsx", "x.xml", "x.zip", "x.tar.gz", "x.csv.xz"])
def test_a_length_or_count_that_is_spoiled_fills_no_memory(tmp_path: Path, name: str) -> None:
    assert int(python(FUZZED, str(tmp_path), name)) < 150


@pytest.mark.parametrize("kind", FORMATS)
def test_columns_are_found_by_name_wherever_they_stand(tmp_path: Path, kind: str) -> None:
    answers = []
    for order in (["ma", "ten"], ["ten", "ma"], ["x", "ten", "y", "ma"]):
        content = [{"x": "1", "y": "", **row} for row in MANY]
        FILES[kind](
            tmp_path / f"a.{kind}", [{name: row[name] for name in order} for row in content]
        )
        answers.append([row[1:] for row in rows(tmp_path, wanted(kind, "ma", "ten"))])
    assert answers == [[tuple(row.values()) for row in MANY]] * 3


def test_parquet_arrives_as_documented(tmp_path: Path) -> None:
    at = datetime(2024, 1, 5, 10, 11, 12, tzinfo=UTC)
    table = pa.table(
        {
            "int": [1, None],
            "float": [12.0, 0.3],
            "decimal": [Decimal("1.50"), None],
            "date": [date(2024, 1, 5), None],
            "naive": pa.array([at.replace(tzinfo=None), None], pa.timestamp("ns")),
            "zoned": pa.array(
                [at, at.replace(microsecond=500_000)], pa.timestamp("us", "Asia/Ho_Chi_Minh")
            ),
            "time": [time(10, 11), None],
            "bool": [True, False],
            "list": [[1, 2], []],
            "struct": [{"a": "Sở", "b": date(2024, 1, 1)}, None],
            "bytes": [b"x", b"\xff"],
            "text": pa.array(["Se\u0302", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found, _ = read(tmp_path, wanted("parquet", *table.schema.names))
    first, second = found.select(table.schema.names).to_pylist()
    assert list(first.values()) == [
        "1", "12", "1.50", "2024-01-05", "2024-01-05T10:11:12", "2024-01-05T10:11:12Z",
        "10:11:00.000000", "true", "[1,2]", '{"a":"Sở","b":"2024-01-01"}', "x", "Sê",
    ]  # fmt: skip
    assert list(second.values()) == [
        None, "0.3", None, None, None, "2024-01-05T10:11:12.500000Z", None, "false", "[]",
        None, None, None,
    ]  # fmt: skip
    assert found["_bad_values"].to_pylist() == [None, ["bytes"]]
    assert found["_line"].to_pylist() == [1, 2]


def test_a_text_repeated_in_parquet_comes_in_bounded_batches(tmp_path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), ["x" * 200_000])
    pq.write_table(pa.table({"a": texts}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 1_000_000
    table, _ = read(tmp_path, wanted("parquet", "a", max_record_bytes=1024))
    assert set(table["_unreadable"].to_pylist()) == {"line_too_long"}
    assert table.num_rows == 5_000


def test_a_header_that_comes_again_in_a_csv_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a,b,c\n1,2,3\na,b,c\n4,"5\n",6\n"a", b ,c\na,b,x\n')
    assert rows(tmp_path, wanted("csv", "c", "a")) == [(2, "3", "1"), (4, "6", "4"), (7, "x", "a")]


def documented() -> list[str]:
    page = (ROOT / "docs/connect-an-office.md").read_text("utf-8")
    return re.findall(r"```yaml\n# stream:\n(.*?)```", page, re.DOTALL)


def test_every_stream_example_of_the_documentation_is_read() -> None:
    assert len(documented()) >= 2
    for text in documented():
        FilesStream.model_validate(yaml.safe_load(text))
