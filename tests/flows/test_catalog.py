# ruff: noqa: E501 - a table of mistakes reads better with one in each line

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from flows.catalog import Catalog, Source, load_catalog, load_source
from flows.catalog_errors import CatalogError, Problem
from schemas.errors import ConfigError
from warehouse.known_keys import keys_app
from warehouse.quarantine import replay_app

GOOD = """\
    source: so-tu-phap
    name: {vi: Sở Tư pháp, en: Department of Justice}
    agency: H41.15
    level: province
    connector: {type: sql, url: "${SO_TU_PHAP_URL}"}
    streams:
      ho_so:
        table: v_ho_so
        key: so_ho_so
        version: ngay_cap_nhat
        cursor: {column: ngay_cap_nhat, late_window: 2 days}
        nulls: ["", "00000000000000"]
        into:
          - entity: dossier
            columns:
              dossier_code: so_ho_so
              received_at: {from: ngay_tiep_nhan, format: "%Y%m%d%H%M%S"}
              status: {from: trang_thai, codes: national_status}
              fee: {sql: "cast(le_phi as decimal)"}
    """
FILES = """\
    source: xa-mot
    connector: {type: files, path: ./desk}
    streams:
      so:
        files: "*.csv"
        mode: increment
        key: So
        into: [{entity: dossier, columns: {dossier_code: So}}]
    """

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def one(text: str = GOOD, name: str = "so-tu-phap.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return one


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(CatalogError) as caught:
        load_source(path)
    assert caught.value.__cause__ is None
    return caught.value.problems


def problem(path: Path) -> Problem:
    found = problems(path)
    assert len(found) == 1, [str(one) for one in found]
    return found[0]


def changed(before: str, after: str, text: str = GOOD) -> str:
    assert before in text
    return text.replace(before, after)


def line_of(part: str, text: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)


def test_a_source_is_read_with_all_that_it_says(write: Write) -> None:
    source = load_source(write())
    assert source.name == "so-tu-phap"
    assert dict(source.label) == {"vi": "Sở Tư pháp", "en": "Department of Justice"}
    assert (source.agency, source.level, source.timezone) == ("H41.15", "province", "Asia/Ho_Chi_Minh")  # fmt: skip
    assert source.connector_type == "sql"
    stream = source.stream("ho_so")
    assert stream.entities == ("dossier",)
    assert stream.spec.key == ("so_ho_so",)
    assert stream.spec.columns == ("so_ho_so", "ngay_cap_nhat", "ngay_tiep_nhan", "trang_thai", "le_phi")  # fmt: skip
    assert stream.spec.cursor is not None
    assert stream.spec.cursor.late_window == timedelta(days=2)
    assert stream.spec.mode == "snapshot"
    assert stream.spec.options.table == "v_ho_so"
    assert stream.mapping.nulls == ("", "00000000000000")


def test_a_cursor_that_is_not_mapped_is_read_too(write: Write) -> None:
    text = changed("cursor: {column: ngay_cap_nhat, late_window: 2 days}", "cursor: da_sua")
    assert "da_sua" in load_source(write(text)).stream("ho_so").spec.columns


def test_a_cursor_of_numbers_has_a_window_of_numbers(write: Write) -> None:
    text = changed("late_window: 2 days", "late_window: 500, lag: 1 minute, deletes: false")
    cursor = load_source(write(text)).stream("ho_so").spec.cursor
    assert cursor is not None
    assert (cursor.late_window, cursor.lag, cursor.deletes) == (500, timedelta(minutes=1), False)


def test_words_that_other_yaml_takes_for_truth_or_numbers_are_words(write: Write) -> None:
    codes = 'channel: {from: k, codes: {no: direct, 01: online, on: post, "1": post}}'
    text = changed("fee: {sql: \"cast(le_phi as decimal)\"}", codes)  # fmt: skip
    column = load_source(write(text)).stream("ho_so").mapping.into[0].columns["channel"]
    assert column.codes == ({"no": "direct", "01": "online", "on": "post", "1": "post"},)


def test_the_catalog_needs_no_variable_until_a_source_is_connected(write: Write) -> None:
    catalog = load_catalog(write().parent, env={})
    source = catalog.source("so-tu-phap")
    with pytest.raises(CatalogError) as caught:
        source.connect()
    (found,) = caught.value.problems
    assert found.what == "environment variable SO_TU_PHAP_URL"
    assert found.place.line == line_of("connector:", GOOD)
    assert found.place.file.name == "so-tu-phap.yaml"
    assert "export SO_TU_PHAP_URL=" in found.expected


def test_a_variable_almost_right_is_told(write: Write) -> None:
    source = load_source(write(), env={"SO_TU_PHAP_URI": "x"})
    with pytest.raises(CatalogError, match="did you mean 'SO_TU_PHAP_URI'"):
        source.connect()


def test_one_broken_file_stops_only_its_own_source(write: Write) -> None:
    write()
    write(FILES, "xa-mot.yaml")
    write("source: xa-hai\nconnector: {type: fils}\nstreams: {a: {}}\n", "xa-hai.yaml")
    folder = write("- just\n- a list\n", "danh-sach.yaml").parent
    catalog = load_catalog(folder, env={})
    assert list(catalog.sources) == ["so-tu-phap", "xa-mot"]
    assert list(catalog.broken) == ["danh-sach", "xa-hai"]
    assert len(catalog.errors) == 2
    with pytest.raises(CatalogError, match="did you mean 'files'"):
        catalog.source("xa-hai")


def test_two_sources_with_one_name_are_both_refused(write: Write) -> None:
    write()
    folder = write(name="again.yaml").parent
    catalog = load_catalog(folder, env={})
    assert list(catalog.sources) == []
    with pytest.raises(CatalogError, match=r"two sources with one name.*again\.yaml") as caught:
        catalog.source("so-tu-phap")
    assert "so-tu-phap.yaml" in str(caught.value)


def test_three_sources_with_one_name_are_all_refused(write: Write) -> None:
    write()
    write(name="again.yaml")
    catalog = load_catalog(write(name="third.yaml").parent, env={})
    assert list(catalog.sources) == []


def test_an_unknown_source_is_told_with_the_nearest(write: Write) -> None:
    catalog = load_catalog(write().parent, env={})
    with pytest.raises(ConfigError, match="did you mean 'so-tu-phap'"):
        catalog.source("so-tu-phat")
    with pytest.raises(ConfigError, match="did you mean 'ho_so'"):
        catalog.source("so-tu-phap").stream("hoso")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LIENTHONG_SOURCES"):
        load_catalog(tmp_path / "none")


def test_an_empty_folder_is_an_empty_catalog(tmp_path: Path) -> None:
    catalog = load_catalog(tmp_path)
    assert isinstance(catalog, Catalog)
    assert not catalog.sources
    with pytest.raises(ConfigError, match="holds no YAML file"):
        catalog.source("x")


def test_vendor_files_and_hidden_files_are_no_sources(write: Write) -> None:
    write("nothing: here", ".hidden.yaml")
    write("nothing: here", "vendors/v.yaml")
    write("text", "notes.txt")
    assert list(load_catalog(write().parent).sources) == ["so-tu-phap"]


# What a person could get wrong: file, line, found, expected, nearest right name.


@pytest.mark.parametrize(
    ("before", "after", "line_with", "what", "found", "expected", "nearest"),
    [
        ("    agency:", "    agancy:", "agancy", "unknown key", "'agancy'", "one of source, name, agency", "agency"),
        ("columns:", "colums:", "colums:", "unknown key", "'colums'", "one of entity, key, explode, columns", "columns"),
        ("table: v_ho_so", "tabel: v_ho_so", "tabel", "unknown key", "'tabel'", "table, query", "table"),
        ("late_window", "latewindow", "latewindow", "unknown key", "'latewindow'", "column, late_window, lag, deletes", "late_window"),
        ("codes: national", "code: national", "status", "unknown key", "'code'", "codes", "codes"),
        ("format: ", "fromat: ", "received_at", "unknown key", "'fromat'", "format", "format"),
        ("entity: dossier", "entity: dosier", "dosier", "unknown entity", "'dosier'", "one of dossier, dossier_event", "dossier"),
        ("received_at:", "recieved_at:", "recieved_at", "unknown column", "'recieved_at'", "lienthong schema", "received_at"),
        ("codes: national_status", "codes: nationalstatus", "nationalstatus", "unknown code list", "'nationalstatus'", "one of status", "national_status"),
        ("codes: national_status", "codes: {G: complete}", "complete", "unknown word of 'status'", "'complete'", "completed", "completed"),
        ("codes: national_status", "codes: channel", "codes: channel", "leads to words", "'channel'", "a list that leads to status", "national_status"),
        ("level: province", "level: provincial", "provincial", "level", "'provincial'", "ministry, province", "province"),
        ("    level:", "    timezone: Asia/Hanoi\n    level:", "Hanoi", "timezone", "'Asia/Hanoi'", "time zone", None),
        ("    level:", "    currency: VNĐ\n    level:", "VNĐ", "unknown currency", "'VNĐ'", "VND", "VND"),
        ("    level:", "    retired: soon\n    level:", "retired", "retired", "'soon'", "true or false", None),
        ("type: sql", "type: sqll", "connector", "the connector's type", "'sqll'", "one of sql, files", "sql"),
        ("type: sql, ", "", "connector", "the connector's type", "none", "one of sql, files", None),
        ("url: ", "uri: ", "connector", "unknown key", "'uri'", "type, url", "url"),
        ("late_window: 2 days", "late_window: 2 dys", "2 dys", "late_window", "'2 dys'", "2 days", None),
        ("late_window: 2 days", "late_window: [2]", "late_window", "late_window", "a list", "a whole number", None),
        ("        key: so_ho_so\n", "", "ho_so:", "'key' is missing", "table, version", "key: ...", None),
        ("dossier_code: so_ho_so", "phase: so_ho_so", "columns:", "dossier needs 'dossier_code'", "phase", "dossier_code: <source column>", None),
        ("format: \"%Y%m%d%H%M%S\"", "format: isoo", "isoo", "no format", "'isoo'", "strptime", "iso"),
        ("format: \"%Y%m%d%H%M%S\"", "on_bad: ignore", "ignore", "on_bad", "'ignore'", "reject or warn", None),
        ("cast(le_phi as decimal)", "sum(le_phi)", "sum", "sum is not allowed", "this expression", "one row", None),
        ("cast(le_phi as decimal)", "lowr(le_phi)", "lowr", "did you mean lower", "this expression", "one row", None),
        ("status: {from: trang_thai, codes: national_status}", "status: {const: recieved}", "recieved", "unknown word of 'status'", "'recieved'", "received", "received"),
        ("status: {from: trang_thai, codes: national_status}", "is_migrated: {const: maybe}", "maybe", "a value of 'is_migrated'", "'maybe'", "read as boolean", None),
        ("status: {from: trang_thai, codes: national_status}", "status: {from: a, const: b}", "status:", "columns.status", "keys and values", "exactly one of from, const, sql, key", None),
        ("status: {from: trang_thai, codes: national_status}", "phase: {from: a, format: iso}", "format: iso", "'format' on a column of text", "format:", "timestamp or date", None),
        ("status: {from: trang_thai, codes: national_status}", "phase: 7", "phase: 7", "columns.phase", "'7'", "keys and values", None),
        ("status: {from: trang_thai, codes: national_status}", "due_at: {from: a, default: \"2024-01-01\"}", "due_at", "a default of a date", "'2024-01-01'", "never invented", None),
        ("status: {from: trang_thai, codes: national_status}", "phase: {sql: upper(a), steps: [{case: lower}]}", "phase", "steps beside sql", "both", "steps", None),
        ("dossier_code: so_ho_so", "dossier_code: _file", "_file", "a column of landing", "'_file'", "a source column", None),
        ("entity: dossier\n", "entity: dossier\n            explode: ds\n", "explode", "a child list without a key", "the stream's key", "key: [so_ho_so, ds.#]", None),
        ("version: ngay_cap_nhat", "version: {const: 1}", "version", "the version of a row", "a constant", "a source column", None),
        ("streams:\n      ho_so:", "streams:\n      Hồ sơ:", "Hồ sơ:", "streams.Hồ sơ", "keys and values", "a text of the form", None),
        ("source: so-tu-phap", "source: So Tu Phap", "source:", "source", "'So Tu Phap'", "a text of the form", None),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_found_expected_and_nearest(
    write: Write, before: str, after: str, line_with: str, what: str, found: str, expected: str,
    nearest: str | None,
) -> None:  # fmt: skip
    text = changed(before, after)
    path = write(text)
    told = problem(path)
    assert told.place.file == path
    assert told.place.line == line_of(line_with, text)
    assert what in f"{told.what} {told.found}"
    assert found in told.found
    assert expected in told.expected
    assert told.nearest == nearest
    assert str(told).startswith(f"{path}:{told.place.line}: ")


def test_a_constant_with_agency_needs_one(write: Write) -> None:
    text = changed("agency: H41.15", "retired: false").replace("fee: {sql: \"cast(le_phi as decimal)\"}", "agency_code: {const: \"{agency}\"}")  # fmt: skip
    assert problem(write(text)).what.startswith("a constant with {agency}")


def test_all_mistakes_are_told_at_once(write: Write) -> None:
    text = changed("codes: national_status", "codes: nationalstatus")
    text = changed("received_at:", "recieved_at:", text)
    text = changed("cast(le_phi", "kast(le_phi", text)
    assert len(problems(write(text))) == 3


def test_one_entity_twice_in_a_stream_is_refused(write: Write) -> None:
    text = dedent(GOOD) + "      - {entity: dossier, columns: {dossier_code: x}}\n"
    assert "stands twice" in problem(write(text)).what


def test_a_key_of_several_columns_is_written_as_key(write: Write) -> None:
    text = changed("entity: dossier\n", "entity: payment\n").replace("received_at: {from: ngay_tiep_nhan, format: \"%Y%m%d%H%M%S\"}", "dossier_key: {from: [a, b]}")  # fmt: skip
    told = problems(write(text))
    assert any(one.expected == "key: [a, b]" for one in told)


def test_files_have_to_say_what_a_missing_file_means(write: Write) -> None:
    told = problem(write(changed("        mode: increment\n", "", FILES)))
    assert "'mode' is missing" in told.what
    assert "mode: increment" in told.expected
    assert told.place.line == line_of("so:", FILES)


def test_files_have_no_cursor(write: Write) -> None:
    told = problem(write(changed("mode: increment", "mode: increment\n        cursor: x", FILES)))
    assert told.what == "a cursor of files"


def test_the_connectors_own_rules_are_told_with_their_line(write: Write) -> None:
    unknown, neither = problems(write(changed("table: v_ho_so", "shelf: 3")))
    assert "unknown key" in unknown.what
    assert neither.expected == "exactly one of 'table' and 'query' is needed"
    both = problem(write(changed("table: v_ho_so", "table: a\n        query: select 1")))
    assert both.expected == "exactly one of 'table' and 'query' is needed"
    assert both.place.line == line_of("ho_so:", GOOD)


# Files that are no YAML of ours.


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", 1, "a byte that is no UTF-8"),
        (b"source: x\nname: \xd0\xc2\n", 2, "a byte that is no UTF-8"),
        (b"source: x\n\x00\x01\x02\n", 1, "this is not YAML"),
        (b"", 1, "found nothing"),
        (b"source: x\nsource: y\n", 2, "a key that stands twice"),
        (b"source: x\nstreams:\n  a: 1\n  b: 2\n  a: 3\n", 5, "a key that stands twice"),
        (b"source: [x\n", 2, "this is not YAML"),
        (b"source: x\n\tname: y\n", 2, "this is not YAML"),
        (b"source: a: b\n", 1, "this is not YAML"),
        (b"source: !!python/object/apply:os.system [ls]\n", 1, "a tag"),
        (b"a: &a [1]\n? [x, y]\n: z\n", 2, "a key"),
        (b"--- \na: 1\n---\nb: 2\n", 3, "this is not YAML"),
    ],
)
def test_a_file_that_is_no_yaml_is_told_by_line(
    tmp_path: Path, content: bytes, line: int, what: str
) -> None:
    path = tmp_path / "junk.yaml"
    path.write_bytes(content)
    told = problems(path)[0]
    assert told.place.line == line
    assert what in str(told)


def test_aliases_without_end_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert "aliases without end" in str(problem(path))
    path.write_text("a: &a\n  b: *a\n", encoding="utf-8")
    assert "aliases without end" in str(problem(path))


def test_a_byte_order_mark_is_no_part_of_the_yaml(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("\ufeff" + dedent(GOOD), encoding="utf-8")
    assert load_source(path).name == "so-tu-phap"


def test_an_error_survives_the_way_between_processes(write: Write) -> None:
    with pytest.raises(CatalogError) as caught:
        load_source(write(changed("type: sql", "type: sqll")))
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, CatalogError)
    assert again.problems == caught.value.problems
    assert str(again) == str(caught.value)


# extends


VENDOR = """\
    level: commune
    currency: EUR
    connector: {type: sql, statement_timeout: 60}
    streams:
      cases:
        table: v_cases
        key: id
        into:
          - entity: dossier
            columns: {dossier_code: id, phase: {from: step, steps: [{case: upper}]}, fee: cost}
      events:
        table: v_events
        key: [id, n]
        into: [{entity: dossier_event, columns: {dossier_code: id, occurred_at: at}}]
    """
OFFICE = """\
    source: office
    extends: vendor
    currency: VND
    connector: {url: "${OFFICE_URL}"}
    streams:
      cases:
        into:
          - entity: dossier
            columns: {phase: {sql: lower(step)}, fee: null, received_at: got}
          - entity: payment
            key: [id, fee_no]
            columns: {dossier_code: id, amount: cost}
      events: null
    """


def extended(write: Write, office: str = OFFICE) -> Source:
    write(VENDOR, "vendors/vendor.yaml")
    return load_source(write(office, "office.yaml"))


def test_a_source_is_laid_over_its_vendor_and_wins(write: Write) -> None:
    source = extended(write)
    assert source.level == "commune"
    assert list(source.streams) == ["cases"]
    mapping = source.stream("cases").mapping
    assert mapping.currency == "VND"
    assert [into.entity for into in mapping.into] == ["dossier", "payment"]
    columns = mapping.into[0].columns
    assert sorted(columns) == ["dossier_code", "phase", "received_at"]
    assert columns["phase"].sql == "lower(step)"
    assert columns["phase"].steps == ()
    assert source.connector_options.statement_timeout == 60  # type: ignore[attr-defined]


def test_a_mistake_in_the_vendors_file_is_told_there(write: Write) -> None:
    text = changed("table: v_cases", "tabel: v_cases", VENDOR)
    vendor = write(text, "vendors/vendor.yaml")
    told = problems(write(OFFICE, "office.yaml"))
    unknown = next(one for one in told if "unknown key" in one.what)
    assert unknown.place.file == vendor
    assert unknown.place.line == line_of("tabel", text)


def test_an_unknown_vendor_is_told_with_the_nearest(write: Write) -> None:
    write(VENDOR, "vendors/vendor.yaml")
    told = problem(write(changed("extends: vendor", "extends: vender", OFFICE), "office.yaml"))
    assert (told.found, told.nearest, told.place.line) == ("'vender'", "vendor", 2)


def test_vendors_that_extend_each_other_in_a_circle_are_refused(write: Write) -> None:
    write("extends: b\n", "vendors/a.yaml")
    write("extends: a\n", "vendors/b.yaml")
    told = problem(write("source: x\nextends: a\n", "x.yaml"))
    assert "a -> b -> a" in told.found


def test_a_vendor_may_extend_another(write: Write) -> None:
    write(VENDOR, "vendors/base.yaml")
    write("extends: base\nlevel: district\n", "vendors/vendor.yaml")
    assert load_source(write(OFFICE, "office.yaml")).level == "district"


@pytest.mark.parametrize("app", [keys_app("xa"), replay_app("xa")])
def test_no_source_is_named_as_an_app_of_the_warehouse_is(write: Write, app: str) -> None:
    """A stream's app is `source/stream`: a source `keys` with a stream `xa` took one of these."""
    name, _, stream = app.partition("/")
    assert stream == "xa"
    assert "source" in str(problem(write(changed("source: xa-mot", f"source: '{name}'", FILES))))
