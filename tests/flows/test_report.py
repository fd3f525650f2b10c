"""`check --report`: what the office is told, and what is told to nobody."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unicodedata import category

import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from flows.catalog import Source, load_catalog
from flows.cli import main
from flows.findings import BrokenRule, Example, FoundColumn, Place, StreamFindings
from flows.receipts import StreamCheck
from flows.report import render
from schemas.rules import RuleText
from schemas.telling import SHOWN_CHARACTERS, shape

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PASSWORD = "mat-khau-cua-so-7391"
PEOPLE = ("040099000111", "040099000222", "040099000333", "Nguyễn Văn Tí", "Trần Thị Mẹo")
WORDS = ("một trạng thái lạ", "không phải ngày", "mười nghìn", "Đăng ký khai sinh", "0912345678")
HOSTILE = "<script>alert(1)</script>\"'&<b onclick=x>"
FILE = "<img src=x onerror=alert(1)>&amp;.csv"

QUOTED = '"' + HOSTILE.replace('"', '""') + '"'
CSV = f"""\
so,thu_tuc,nguoi,can_bo,trang_thai,ngay_nhan,ngay_tra,le_phi,dien_thoai,{QUOTED}
HS-1,{WORDS[3]},{PEOPLE[0]},{PEOPLE[3]},received,02/03/2026,03/03/2026,1000,{WORDS[4]},x
HS-2,{WORDS[3]},{PEOPLE[1]},{PEOPLE[4]},{WORDS[0]},02/03/2026,03/03/2026,1000,{WORDS[4]},x
HS-3,{WORDS[3]},{PEOPLE[2]},{PEOPLE[4]},99,{WORDS[1]},03/03/2026,1000,{WORDS[4]},x
HS-4,{WORDS[3]},{PEOPLE[0]},{PEOPLE[3]},received,02/03/2026,01/03/2026,{WORDS[2]},{WORDS[4]},x
HS-5,{WORDS[3]},{PEOPLE[0]},một ô thừa,x,x,x,x,x,x,{PEOPLE[1]}
,{WORDS[3]},{PEOPLE[0]},{PEOPLE[3]},received,02/03/2026,,1000,{WORDS[4]},x
"""  # fmt: skip
YAML = """\
source: xa-thu
name: {vi: Xã <Thử>, en: Test & commune}
agency: H41.999
connector: {type: files, path: ../desk}
streams:
  ho_so:
    files: "*.csv"
    mode: snapshot
    key: so
    optional: [ghi_chu_rieng]
    into:
      - entity: dossier
        columns:
          dossier_code: so
          procedure_name: thu_tuc
          applicant_id: nguoi
          responsible_id: can_bo
          status: {from: trang_thai, codes: status, on_bad: reject}
          received_at: {from: ngay_nhan, format: "%d/%m/%Y", on_bad: reject}
          finished_at: {from: ngay_tra, format: "%d/%m/%Y"}
          fee: {from: le_phi, on_bad: warn}
          unit_name: ghi_chu_rieng
"""
SQL_YAML = """\
source: so-thu
name: {vi: Sở Thử, en: Test department}
connector: {type: sql, url: "${SO_THU_URL}"}
streams:
  ho_so:
    table: ho_so
    key: ma
    into:
      - entity: dossier
        columns:
          dossier_code: ma
          applicant_id: nguoi
          status: {from: tt, codes: status, on_bad: reject}
"""


class House:
    """A folder with an office, and the command."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.page = root / "out.html"
        (root / "sources").mkdir()
        (root / "desk").mkdir()

    def add(self, name: str, text: str) -> None:
        (self.root / "sources" / f"{name}.yaml").write_text(text, "utf-8")

    def check(self, *words: str, **env: str) -> Result:
        options = ["--sources", str(self.root / "sources"), "-q", "check", *words]
        return CliRunner().invoke(main, options, env=env)

    def report(self, source: str, *words: str, **env: str) -> tuple[int, str]:
        """The exit status and the page."""
        self.page.unlink(missing_ok=True)
        done = self.check(source, "--report", str(self.page), *words, **env)
        return done.exit_code, self.page.read_text("utf-8")


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.add("xa-thu", YAML)
    (tmp_path / "desk" / FILE).write_text(CSV, "utf-8")
    return made


def database(house: House, *rows: tuple[str, str, str]) -> str:
    path = house.root / "office.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE ho_so (ma TEXT, nguoi TEXT, tt TEXT, dia_chi TEXT)")
        connection.executemany("INSERT INTO ho_so VALUES (?, ?, ?, 'x')", rows)
    house.add("so-thu", SQL_YAML)
    return f"sqlite:///{path}"


def words_of(page: str) -> str:
    return text_of(html.fromstring(page).body)


def text_of(element: Any) -> str:
    """The words of an element, those of its parts apart."""
    return " ".join(" ".join(element.itertext()).split())


def rule(page: str, name: str) -> str:
    """The text of one rule's box."""
    boxes = html.fromstring(page).xpath("//div[@class='rule']")
    (found,) = [box for box in boxes if name in box.xpath("string(.//h4)")]
    return text_of(found)


def test_the_office_reads_what_was_found_mapped_and_rejected(house: House) -> None:
    status, page = house.report("xa-thu")
    text = words_of(page)
    assert status == 3
    assert "Kính gửi To Xã <Thử> Test & commune" in text
    assert "mã cơ quan (agency code) H41.999" in text
    assert "toàn bộ 6 dòng (all 6 rows)" in text
    assert "Cột được lấy (8)" in text
    assert "thu_tuc text dossier.procedure_name Tên thủ tục hành chính như nguồn ghi." in text
    assert "Có ở nguồn, không lấy (2)" in text
    assert "dien_thoai" in text
    assert "Có trong khai báo, không có ở nguồn (1)" in text
    assert "ghi_chu_rieng" in text
    found = html.fromstring(page).xpath("//section[1]//tbody/tr")
    assert [text_of(row) for row in found] == [
        "ho_so 6 toàn bộ (all) dossier 2 40% 2 40% 3 60%",
        "dòng không tách được thành cột lines that can't be split into columns 1 17%",
    ]


def test_every_broken_rule_has_its_sentence_count_shape_place_and_step(house: House) -> None:
    _, page = house.report("xa-thu")
    unread = rule(page, "unparseable:received_at")
    assert "1 / 5 dòng (rows) , 20%" in unread
    assert "Không đọc được giá trị của received_at theo định dạng đã khai báo." in unread
    assert "31/12/2026 (%d/%m/%Y)" in unread
    assert "aaaaa aaaa aaaa 1" in unread  # the shape of its words, and how many rows
    assert f"{FILE}: dòng 4" in unread
    assert "sửa tại hệ thống" in unread
    unknown = rule(page, "unknown_code:status")
    assert "2 / 5" in unknown
    assert "aaa aaaaa aaaa aa 1" in unknown
    assert "99 1" in unknown  # a code of two digits tells nobody, and the office has to explain it
    assert "Against the rule: A dossier isn't finished before it was received." in rule(
        page, "finished_before_received"
    )
    assert "trống (empty)" in rule(page, "key_missing")
    assert f"{FILE}: dòng 6" in rule(page, "broken_line")


def test_no_value_of_a_row_is_in_the_page(house: House) -> None:
    _, page = house.report("xa-thu", "--rows", "100")
    everything = page + words_of(page)
    assert [word for word in (*PEOPLE, *WORDS, "HS-1", "một ô thừa") if word in everything] == []


def test_a_personal_column_has_not_even_a_shape(house: House) -> None:
    steps = 'applicant_id: {from: nguoi, steps: [{extract: "^X(.*)$"}], on_bad: reject}'
    house.add("xa-thu", YAML.replace("applicant_id: nguoi", steps))
    _, page = house.report("xa-thu")
    found = rule(page, "unparseable:applicant_id")
    assert "5 / 5" in found
    assert "nguoi cá nhân, không hiện (personal, not shown)" in found
    assert "9999" not in found
    assert [word for word in PEOPLE if word in page] == []


def test_markup_of_the_source_is_text_and_nothing_in_the_page_runs_or_reaches_out(
    house: House,
) -> None:
    _, page = house.report("xa-thu")
    tree = html.fromstring(page)
    for tag in ("script", "img", "iframe", "object", "link", "form", "base"):
        assert tree.xpath(f"//{tag}") == []
    assert tree.xpath("//@*[starts-with(name(), 'on')]") == []
    assert [link for link in tree.xpath("//@href | //@src") if not link.startswith("#")] == []
    assert "url(" not in page
    assert "@import" not in page
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'")
    assert HOSTILE in words_of(page)
    assert FILE in words_of(page)
    assert set(tree.xpath("//@lang")) == {"vi", "en"}


def test_control_characters_of_a_name_are_made_visible(house: House) -> None:
    (house.root / "desk" / FILE).write_text(CSV.replace("dien_thoai", "a\u202eb\x07"), "utf-8")
    _, page = house.report("xa-thu")
    assert "\u202e" not in page
    assert "\x07" not in page
    assert r"a\u202eb\x07" in page


def test_a_line_that_is_taken_for_the_header_is_not_told(house: House) -> None:
    row = CSV.splitlines()[1].replace("HS-1", "trang_thai_cu")
    (house.root / "desk" / FILE).write_text(f"{row}\n{row}\n", "utf-8")
    status, page = house.report("xa-thu")
    assert status == 1
    assert "Cấu trúc của nguồn khác với khai báo." in words_of(page)
    assert [w for w in (*PEOPLE, *WORDS, "trang_thai_cu") if w in page] == []
    assert "Có trong khai báo, không có ở nguồn (8)" in words_of(page)


def test_a_column_that_vanished_is_named_with_those_that_are_there(house: House) -> None:
    (house.root / "desk" / FILE).write_text(CSV.replace("ngay_nhan", "ngay_nhan_moi"), "utf-8")
    status, page = house.report("xa-thu")
    text = words_of(page)
    assert status == 1
    assert "Có trong khai báo, không có ở nguồn (2)" in text
    assert "ngay_nhan dossier.received_at" in text
    assert "ngay_nhan_moi" in text
    assert "there is 'ngay_nhan_moi'" in text
    assert [word for word in (*PEOPLE, *WORDS) if word in page] == []


def test_a_source_out_of_reach_is_told_with_why_and_without_its_secrets(house: House) -> None:
    house.add("so-thu", SQL_YAML)
    url = f"postgresql://reader:{PASSWORD}@127.0.0.1:1/office"
    status, page = house.report("so-thu", SO_THU_URL=url)
    text = words_of(page)
    assert status == 1
    assert "Chưa kiểm tra được dữ liệu. The data could not be checked." in text
    assert "Không kết nối được tới nguồn. The source could not be reached." in text
    assert "Kiểm tra máy chủ, đường truyền và tường lửa" in text
    assert [secret for secret in (PASSWORD, "reader", "postgresql://") if secret in page] == []


def test_one_stream_out_of_reach_hides_no_other(house: House) -> None:
    broken = YAML.partition("  ho_so:")[2].replace("*.csv", "*.none")
    house.add("xa-thu", f"{YAML}  thu_hai:{broken}")
    status, page = house.report("xa-thu")
    text = words_of(page)
    assert status == 3
    assert "Một phần nguồn chưa kiểm tra được." in text
    assert "Cột được lấy (8)" in text
    assert "thu_hai – chưa kiểm tra được" in text


def test_a_user_in_the_address_of_a_folder_is_left_out(house: House) -> None:
    house.add("xa-thu", YAML.replace("../desk", "sftp://tai-khoan@127.0.0.1:1/nhan"))
    status, page = house.report("xa-thu")
    assert status == 1
    assert "sftp://127.0.0.1:1/nhan" in page
    assert "tai-khoan" not in page


def test_a_row_of_a_database_is_found_by_its_key_unless_the_key_tells_a_person(
    house: House,
) -> None:
    url = database(
        house,
        ("H41-260302-0001", "040099000111", "mới lạ"),
        ("HS040099000222", "040099000222", "mới lạ"),
        ("HS040099000999", "1", "mới lạ"),
        ("HS-09-12-34", "09-12-34", "mới lạ"),
        ("Trần Thị Mẹo 1", "1", "mới lạ"),
        ("TRANTHIMEO", "1", "mới lạ"),
    )
    status, page = house.report("so-thu", SO_THU_URL=url)
    found = rule(page, "unknown_code:status")
    assert status == 3
    assert "H41-260302-0001, dòng thứ 2 của mẫu, dòng thứ 3 của mẫu" in found
    told = ("040099000222", "040099000999", "09-12-34", "Mẹo", "TRANTHIMEO", "mới lạ")
    assert [word for word in told if word in page] == []


@pytest.mark.parametrize(
    ("csv", "status"),
    [
        ("so,thu_tuc,nguoi,can_bo,trang_thai,ngay_nhan,ngay_tra,le_phi\n"
         "HS-1,x,1,1,received,02/03/2026,,1\n", 0),
        (CSV, 3),
        ("a,b\n1,2\n", 1),
    ],
)  # fmt: skip
def test_the_status_is_that_of_check_and_the_old_page_is_replaced(
    house: House, csv: str, status: int
) -> None:
    (house.root / "desk" / FILE).write_text(csv, "utf-8")
    house.page.write_text("yesterday's", "utf-8")
    assert house.check("xa-thu").exit_code == status
    assert house.check("xa-thu", "--report", str(house.page)).exit_code == status
    assert house.page.read_text("utf-8").rstrip().endswith("</html>")
    assert {path.name for path in house.root.iterdir()} == {"sources", "desk", "out.html"}


def test_json_names_the_report(house: House) -> None:
    (plain,) = json.loads(house.check("xa-thu", "--json").stdout)
    assert plain["report"] is None
    done = house.check("xa-thu", "--json", "--report", str(house.page))
    (told,) = json.loads(done.stdout)
    assert told == plain | {"report": str(house.page)}
    assert str(house.page) in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["xa-thu", "--report", "nowhere/out.html"], "there is no folder"),
        (["xa-thu", "--report", "sources"], "directory"),
        (["xa-thu", "--report", "file/out.html"], "there is no folder"),
        (["xa-thu", "--report", "x" * 300], "can't be written"),
        (["--report", "out.html"], "name one SOURCE"),
        (["xa-thu", "xa-thu", "--report", "out.html"], "name one SOURCE"),
        (["xa-thux", "--report", "out.html"], "did you mean 'xa-thu'"),
        (["xa-thu", "--rows", "0"], "1<=x<=100000"),
        (["xa-thu", "--rows", "100001"], "1<=x<=100000"),
    ],
)
def test_what_can_not_be_written_ends_with_2_and_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(house.root)
    (house.root / "file").touch()
    done = house.check(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert {path.name for path in house.root.iterdir()} == {"sources", "desk", "file"}


def test_rows_says_how_many_are_looked_at(house: House) -> None:
    head, *rows = CSV.splitlines()
    (house.root / "desk" / FILE).write_text("\n".join([head, *[rows[0]] * 300]), "utf-8")

    def looked_at(*words: str) -> int:
        (check,) = json.loads(house.check("xa-thu", "--json", *words).stdout)
        return int(check["sample_rows"])

    assert [looked_at(), looked_at("--rows", "2"), looked_at("--rows", "1000")] == [200, 2, 300]
    _, page = house.report("xa-thu", "--rows", "2")
    assert "2 dòng đầu tiên; các con số chỉ nói về những dòng này" in words_of(page)
    url = database(house, *[(f"H-{n}", "1", "received") for n in range(300)])
    for words, rows_seen in (([], 200), (["--rows", "7"], 7), (["--rows", "1000"], 300)):
        done = house.check("so-thu", "--json", *words, SO_THU_URL=url)
        (check,) = json.loads(done.stdout)
        assert check["sample_rows"] == rows_seen


@given(st.lists(st.one_of(st.none(), st.text(max_size=80)), min_size=1, max_size=20))
@settings(deadline=None)
def test_a_shape_holds_no_letter_and_no_digit_of_its_value(values: list[str | None]) -> None:
    found = pl.DataFrame({"v": pl.Series(values, dtype=pl.String)}).select(shape(pl.col("v")))["v"]
    for value, sign in zip(values, found, strict=True):
        if sign is None:
            assert not (value or "").strip()
        else:
            assert re.fullmatch(r"""[Aa9? .,:;/\\_()+#%*'"&=-]*…?""", sign)
            assert len(sign) <= SHOWN_CHARACTERS + 1


def test_a_shape_shows_how_a_value_is_written() -> None:
    values = ["02/03/2026", "2.3.26", "Đang xử lý", "HS-0001", " ", "10.000 đ", "x" * 50, "é\u0301"]
    found = pl.DataFrame({"v": values}).select(shape(pl.col("v")))["v"].to_list()
    assert found == [
        "99/99/9999", "9.9.99", "Aaaa aa aa", "AA-9999", None, "99.999 a", "a" * 32 + "…", "a",
    ]  # fmt: skip


NAME = st.text(min_size=1, max_size=30)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("source")
    (folder / "xa-thu.yaml").write_text(YAML, "utf-8")
    return load_catalog(folder, env={}).source("xa-thu")


def findings(**names: Any) -> StreamFindings:
    check = StreamCheck(
        source="xa-thu", stream="ho_so", status="degraded", sample_rows=3,
        entities={"dossier": {"accepted": 2, "warned": 0, "rejected": 1}}, notes=(names["note"],),
    )  # fmt: skip
    place = Place(file=names["file"], line=3, row=3, key=None)
    broken = BrokenRule(
        entity="dossier", rule="unknown_code:status", severity="reject",
        text=RuleText(vi="một `câu`", en="a sentence"), rows=1, of=3, columns=(names["column"],),
        declared=(names["word"],),
        examples=(Example(shapes=((names["column"], "a"),), rows=1, places=(place,)),),
    )  # fmt: skip
    left = FoundColumn(name=names["left"], type="text", uses=(), roles=(), is_taken=False)
    return StreamFindings(check=check, columns=(left,), rules=(broken,))


@given(st.fixed_dictionaries(dict.fromkeys(["note", "file", "column", "word", "left"], NAME)))
@settings(deadline=None, max_examples=100)
def test_no_name_changes_the_page_around_it(source: Source, names: dict[str, str]) -> None:
    plain = findings(**dict.fromkeys(names, "x"))
    expected = html.fromstring(render(source, [plain], rows=200, now=NOW))
    page = render(source, [findings(**names)], rows=200, now=NOW)
    assert {one for one in page if category(one)[0] == "C"} <= {"\n"}
    found = html.fromstring(page)
    assert [one.tag for one in found.iter()] == [one.tag for one in expected.iter()]
    assert [dict(one.attrib) for one in found.iter()] == [
        dict(one.attrib) for one in expected.iter()
    ]


def test_a_number_as_long_as_a_person_s_is_no_name_of_a_column(source: Source) -> None:
    names = dict.fromkeys(["note", "file", "column", "word"], "x")
    page = render(source, [findings(left="nguoi 040099000111", **names)], rows=200, now=NOW)
    assert "040099000111" not in page
    assert "nguoi 999999999999" in page


def test_a_source_in_order_asks_for_nothing(source: Source) -> None:
    good = findings(**dict.fromkeys(["note", "file", "column", "word", "left"], "x"))
    page = render(source, [replace(good, rules=())], rows=200, now=NOW)
    assert "Không có việc gì: mọi dòng đã xem đều đạt." in page
    assert "Đọc được nguồn, mọi dòng đều được nhận." in page
