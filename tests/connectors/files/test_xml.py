"""XML: paths up and down, order, safety, memory."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from connectors.registry import FilesOptions, connect
from schemas.errors import ConfigError, ContractError, SourceError
from tests.connectors.files.support import read, rows, spec
from tests.real.run import data_folder
from tests.support.processes import python

SECRET = "079203001234"


def wanted(*columns: str, **options: Any) -> Any:
    return spec(*columns, files="*.x*", **options)


def put(folder: Path, text: str, name: str = "a.xml") -> None:
    (folder / name).write_text(text, encoding="utf-8")


LOG = """<?xml version="1.0"?><!-- a > b --><log %s>
<string key="name" value="log"/>
<trace id="T1"><string key="concept:name" value="c1"/><string key="status" value="O"/>
  <event><string key="concept:name" value="a"/><date key="at" value="2024-01-01"/></event>
  <event><string key="concept:name" value="b"/></event>
  <string key="late" value="behind"/></trace>
<trace id="T2"><string key="concept:name" value="c2"/></trace>
<trace id="T3"><string key="concept:name" value="c3"/>
  <event><string key="concept:name" value="a"/><date key="at" value="2024-01-02"/></event></trace>
</log>"""


@pytest.mark.parametrize(
    "namespace", ["", 'xmlns="http://www.xes-standard.org/"'], ids=["none", "one"]
)
def test_values_come_from_below_above_and_the_order_with_a_namespace_or_without(
    tmp_path: Path, namespace: str
) -> None:
    put(tmp_path, LOG % namespace)
    fields = {
        "case": "../string[@key='concept:name']/@value",
        "late": "../string[@key='late']/@value",
        "log": '../../string[@key="name"]/@value',
        "trace": "../@id",
        "number": "../#",
        "ordinal": "#",
        "name": "string[@key='concept:name']/@value",
        "at": "*[@key='at']/@value",
    }
    assert rows(tmp_path, wanted(*fields, rows="/log/trace/event", fields=fields)) == [
        (1, "c1", "behind", "log", "T1", "1", "1", "a", "2024-01-01"),
        (2, "c1", "behind", "log", "T1", "1", "2", "b", None),
        (3, "c3", None, "log", "T3", "3", "1", "a", "2024-01-02"),
    ]
    fields = {key: fields[key] for key in ("case", "trace", "ordinal", "name")}
    found = rows(tmp_path, wanted(*fields, rows="//trace/event", fields=fields))
    assert [row[1:] for row in found] == [
        ("c1", "T1", "1", "a"), ("c1", "T1", "2", "b"), ("c3", "T3", "1", "a")
    ]  # fmt: skip


def test_a_prefixed_namespace_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path, '<n:r xmlns:n="urn:x" xmlns:m="urn:y"><n:d m:id="1"><n:v>x</n:v></n:d></n:r>')
    for path in ("/r/d", "/n:r/n:d", "//d", "r/d"):
        fields = {"id": "@id", "v": "n:v"}
        assert rows(tmp_path, wanted("id", "v", rows=path, fields=fields)) == [(1, "1", "x")]


def test_names_lists_and_nested_elements(tmp_path: Path) -> None:
    put(tmp_path, """<r><d ma="1"><ten>Se\u0302 &amp; <![CDATA[<b>]]></ten><rong/>
      <phi loai="x">10</phi><phi>20</phi><nguoi><ten>A</ten><so>1</so><so>2</so></nguoi>
      <!-- <ten>no</ten> --></d></r>""")  # fmt: skip
    fields = {"all": "phi[]", "own": "nguoi/ten", "numbers": "nguoi/so[]", "kind": "phi/@loai",
              "kinds": "phi[]/@loai"}  # fmt: skip
    columns = ("ma", "ten", "rong", "phi", "nguoi", *fields)
    (found,) = rows(tmp_path, wanted(*columns, rows="/r/d", fields=fields))
    assert found[:5] == (1, "1", "Sê & <b>", "", "10")
    assert json.loads(found[5]) == {"ten": "A", "so": ["1", "2"]}
    assert found[6:] == ('["10","20"]', "A", '["1","2"]', "x", '["x"]')


def test_values_above_that_come_late_are_found_or_said_to_be_too_late(tmp_path: Path) -> None:
    many = "".join(f"<e>{n}</e>" for n in range(20_001))
    fields = {"e": ".", "g": "../g"}
    put(tmp_path, f"<r><t><g>x</g>{many}</t><t><e>7</e><g>y</g></t></r>")
    found = rows(tmp_path, wanted("e", "g", rows="/r/t/e", fields=fields))
    assert len(found) == 20_002
    assert {row[2] for row in found[:-1]} == {"x"}
    assert found[-1] == (20_002, "7", "y")
    put(tmp_path, f"<r><t>{many * 3}<g>x</g></t></r>")
    with pytest.raises(SourceError, match="stands behind more than 20000 of them"):
        read(tmp_path, wanted("e", "g", rows="/r/t/e", fields=fields))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><r><d><id>&b;</id></d></r>',
         "has a DOCTYPE"),
        ('<?xml version="1.0"?>\n<!-- x -->\n<!doctype r SYSTEM "http://127.0.0.1:9/x.dtd"><r/>',
         "has a DOCTYPE"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><d><id>&x;</id></d></r>',
         "has a DOCTYPE"),
        ("<r><d><id>&unknown;</id></d></r>", "isn't XML"),
        (f"<r><d><id>{SECRET}</id></d><d></r>", "isn't XML from line 1"),
        (f"<r><d><id>{SECRET}</id></d>", "ends too early"),
        (f"<r>{'<a>' * 300}{'</a>' * 300}</r>", "isn't XML"),
        ("id,v", "no element at its beginning"),
        ("  ", "no element at its beginning"),
        ("<!-- never", "no element at its beginning"),
        ("<r><d><id>1</id></d></r><r/>", "isn't XML"),
    ],
)  # fmt: skip
def test_what_is_no_xml_or_could_expand_is_refused_by_name(
    tmp_path: Path, text: str, said: str
) -> None:
    put(tmp_path, text)
    with pytest.raises(SourceError) as caught:
        read(tmp_path, wanted("id", rows="/r/d"))
    assert said in str(caught.value)
    assert "'a.xml'" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_doctype_in_any_encoding_is_seen(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE r [<!ENTITY a "x">]><r><d/></r>'
    (tmp_path / "a.xml").write_bytes(text.encode("utf-16"))
    with pytest.raises(SourceError, match="has a DOCTYPE"):
        read(tmp_path, wanted("id", rows="/r/d"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1258", "us-ascii"])
def test_the_declared_encoding_counts_unless_one_is_stated(tmp_path: Path, encoding: str) -> None:
    value = "x" if encoding == "us-ascii" else "đơn"
    text = f'<?xml version="1.0" encoding="{encoding}"?><r><d><id>{value}</id></d></r>'
    (tmp_path / "a.xml").write_bytes(text.encode(encoding))
    assert rows(tmp_path, wanted("id", rows="/r/d")) == [(1, value)]
    lying = text.replace(f'encoding="{encoding}"', 'encoding="latin-1"')
    (tmp_path / "a.xml").write_bytes(lying.encode(encoding))
    assert rows(tmp_path, wanted("id", rows="/r/d", encoding=encoding)) == [(1, value)]
    (tmp_path / "a.xml").write_bytes(b'<?xml version="1.0" encoding="klingon"?><r/>')
    with pytest.raises(SourceError, match="declares an encoding that nobody knows"):
        read(tmp_path, wanted("id", rows="/r/d"))


def test_paths_that_cannot_be_understood_are_named(tmp_path: Path) -> None:
    put(tmp_path, LOG % "")
    with pytest.raises(ConfigError, match=r"`rows:` has to say .* it may be /log/trace/event"):
        read(tmp_path, wanted("id"))
    for path in ("/log//event", "log/", "a b", "event[1]"):
        with pytest.raises(ConfigError, match="is no path such as"):
            read(tmp_path, wanted("id", rows=path))
    for path in ("a[1]", "a//b", "@", "a/@b/c", "a[]/b", "..", "text()", "../../../x", "a b"):
        with pytest.raises(ConfigError, match=r"path|lead further up"):
            read(tmp_path, wanted("id", rows="/log/trace/event", fields={"id": path}))
    with pytest.raises(ConfigError, match="lead further up"):
        read(tmp_path, wanted("id", rows="//event", fields={"id": "../@id"}))


def test_a_wrong_path_of_rows_is_an_error_and_an_empty_list_is_none(tmp_path: Path) -> None:
    put(tmp_path, LOG % "")
    for path in ("/log/case/event", "/top/trace/event", "//case", "/trace/event"):
        with pytest.raises(ContractError, match=r"'a\.xml' has no element where `rows:` says"):
            read(tmp_path, wanted("id", rows=path))
    put(tmp_path, "<log><trace/></log>")
    assert rows(tmp_path, wanted("id", rows="/log/trace/event")) == []
    put(tmp_path, "<log/>")
    assert rows(tmp_path, wanted("id", rows="/log/trace")) == []
    assert rows(tmp_path, wanted("id", rows="//trace")) == []


def test_a_column_that_no_row_has_stops_the_read_unless_it_is_optional(tmp_path: Path) -> None:
    put(tmp_path, "<r><d><id>1</id></d></r>")
    with pytest.raises(ContractError, match="no record has 'v'"):
        read(tmp_path, wanted("id", "v", rows="/r/d"))
    assert rows(tmp_path, wanted("id", "v", rows="/r/d", optional=["v"])) == [(1, "1", None)]


def test_check_shows_the_paths_of_a_row(tmp_path: Path) -> None:
    put(tmp_path, LOG % "")
    connector = connect("files", FilesOptions(path=str(tmp_path)))
    fields = {"id": "@id"}
    found = connector.check(wanted("id", rows="/log/trace", fields=fields))
    assert list(found.columns) == [
        "id", "@id", "string[@key='concept:name']/@value", "string[@key='status']/@value",
        "event", "string[@key='late']/@value",
    ]  # fmt: skip


MEASURED = """
from connectors.protocol import ReadRequest, StreamSpec
from connectors.registry import FilesOptions, FilesStream, connect
from schemas.errors import SourceError
import connectors.files.formats.xml_rows
fields = {"id": "@id", "g": "../../g", "no": "#"} if sys.argv[2] == "up" else {"id": "@id"}
options = FilesStream(files="*.xml", rows="/r/t/d", fields=fields, optional=["g"])
spec = StreamSpec(name="s", columns=tuple(fields), key=("id",), options=options)
base, rows = peak_mib(), 0
try:
    with connect("files", FilesOptions(path=sys.argv[1])).read(spec, ReadRequest()) as read:
        for batch in read.batches(): rows += batch.num_rows
except SourceError as error: print(error)
print(rows, peak_mib() - base)
"""


@pytest.mark.parametrize("way", ["own", "up"])
@pytest.mark.parametrize("shape", ["flat", "parents"])
def test_a_long_file_is_read_in_bounded_memory(tmp_path: Path, way: str, shape: str) -> None:
    row = '<d id="1"><a>' + "x" * 100 + "</a><b/></d><noise>x</noise>"
    block = row * 1000
    with (tmp_path / "a.xml").open("w") as file:
        file.write("<r><g>1</g><t>")
        for _ in range(400):
            file.write(block)
            file.write("</t><noise><a/></noise><t>" if shape == "parents" else "")
        file.write("</t></r>")
    found, grown = python(MEASURED, str(tmp_path), way).split()
    assert found == "400000"
    assert int(grown) < 90


def test_a_text_or_a_row_of_40_mb_is_answered_in_bounded_memory(tmp_path: Path) -> None:
    for content in ("x" * 1000, "<a>x</a>" * 100):
        with (tmp_path / "a.xml").open("w") as file:
            file.write('<r><t><d id="1"/><d id="2">')
            for _ in range(40_000):
                file.write(content)
            file.write("</d></t></r>")
        *said, last = python(MEASURED, str(tmp_path), "own").splitlines()
        assert "'a.xml'" in said[0]
        assert int(last.split()[1]) < 700


def test_the_real_logs_have_their_stated_totals(tmp_path: Path) -> None:
    data = data_folder() / "bpic15"
    if not data.is_dir():
        pytest.skip("the real records are not beside the project")
    event = {
        "dossier": "../string[@key='concept:name']/@value",
        "ordinal": "#",
        "code": "string[@key='action_code']/@value",
        "name": "string[@key='concept:name']/@value",
        "at": "date[@key='time:timestamp']/@value",
        "due": "date[@key='dueDate']/@value",
        "by": "string[@key='org:resource']/@value",
    }
    (tmp_path / "a.xes").write_bytes(gzip.decompress((data / "BPIC15_2.xes.gz").read_bytes()))
    started = time.process_time()
    table, _ = read(tmp_path, wanted(*event, rows="/log/trace/event", fields=event))
    assert time.process_time() - started < 20
    assert table.num_rows == 44_354
    keys = set(zip(table["dossier"].to_pylist(), table["ordinal"].to_pylist(), strict=True))
    assert (len(keys), len({dossier for dossier, _ in keys})) == (44_354, len({d for d, _ in keys}))
    trace = {"code": "string[@key='concept:name']/@value"}
    table, _ = read(tmp_path, wanted("code", rows="/log/trace", fields=trace))
    assert (table.num_rows, len(set(table["code"].to_pylist()))) == (832, 832)
