"""`sources new` for a web API: from a URL that works and a token to a source that syncs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flows.cli import main
from tests.support.api import Asked, Reply, serving

TOKEN = "t0k3n-cua-so-9917"
PERSON = "0400990{:05d}"


def row(number: int) -> dict[str, Any]:
    return {
        "maHoSo": f"H41.9-260105-{number:04d}",
        "thuTuc": {"ma": "1.001193", "ten": "Đăng ký khai sinh"},
        "nguoiNop": {"hoTen": f"Nguyễn Văn Thử {number}", "soDinhDanh": PERSON.format(number)},
        "ngayTiepNhan": f"2026-01-05T08:{number % 60:02d}:00+07:00",
        "ngayCapNhat": f"2026-01-06T08:{number % 60:02d}:00+07:00",
        "trangThai": str(number % 2 * 5 + 4),
    }


ROWS = [row(number) for number in range(230)]


def run(root: Path, *words: str, env: dict[str, str | None] | None = None) -> Result:
    options = ["--warehouse", str(root / "warehouse"), "--sources", str(root / "sources")]
    return CliRunner().invoke(main, [*options, *words], env=env)


def numbered(asked: Asked) -> Reply:
    page, size = int(asked.query["page"]), int(asked.query["size"])
    part = ROWS[(page - 1) * size : page * size]
    return Reply({"data": part, "meta": {"total": len(ROWS), "page": page}})


def sliced(asked: Asked) -> Reply:
    page = int(asked.query["trang"])
    return Reply({"content": ROWS[page * 50 : page * 50 + 50], "last": page >= 4})


def offset(asked: Asked) -> Reply:
    start, end = int(asked.query["start"]), int(asked.query["end"])
    return Reply({"total": len(ROWS), "data": ROWS[start:end]})


def cursor(asked: Asked) -> Reply:
    start = int(asked.query.get("cursor", 0))
    following = str(start + 50) if start + 50 < len(ROWS) else None
    return Reply({"items": ROWS[start : start + 50], "next_cursor": following})


def link(asked: Asked) -> Reply:
    page = int(asked.query.get("page", 1))
    headers: dict[str, str | None] = {}
    if page * 50 < len(ROWS):
        headers["Link"] = f'<{asked.path}?page={page + 1}>; rel="next"'
    return Reply(ROWS[page * 50 - 50 : page * 50], headers=headers)


def next_url(asked: Asked) -> Reply:
    page = int(asked.query.get("p", 1))
    following = f"{asked.path}?p={page + 1}" if page * 50 < len(ROWS) else None
    return Reply({"links": {"next": following}, "results": ROWS[page * 50 - 50 : page * 50]})


def in_vietnamese(asked: Asked) -> Reply:
    """Everything by names of the office's own; bounded by days of the last update."""
    page, size = int(asked.query["trang"]), int(asked.query["soDong"])
    rows = [r for r in ROWS if r["ngayCapNhat"][:10] >= asked.query.get("tuNgay", "")]
    part = rows[(page - 1) * size : page * size]
    return Reply({"ketQua": {"tongHoSo": len(rows), "danhSach": part}})


def whole(asked: Asked) -> Reply:
    del asked
    return Reply(ROWS)


@pytest.mark.parametrize(
    ("answer", "query", "written"),
    [
        (numbered, "?page=1&size=100&donVi=H41", "paging: {page: {parameter: page, first: 1"),
        (sliced, "?trang=0", "paging: {slice: {parameter: trang, first: 0, last: last}}"),
        (offset, "?start=0&end=60", "paging: {offset: {parameter: start, end_parameter: end"),
        (cursor, "", "paging: {cursor: {parameter: cursor, at: next_cursor}}"),
        (link, "", "paging: {link: {}}"),
        (next_url, "", "paging: {next: {at: links.next}}"),
        (
            in_vietnamese,
            "?trang=1&soDong=100&tuNgay=2026-01-06",
            "paging: {page: {parameter: trang, first: 1, size: 100, size_parameter: soDong, "
            "total: ketQua.tongHoSo}}",
        ),
        (whole, "", "all rows seem to come in one answer"),
    ],
    ids=["page", "slice", "offset", "cursor", "link", "next", "vietnamese", "whole"],
)
def test_a_url_and_a_token_become_a_source_that_reads_every_page(
    tmp_path: Path, answer: Callable[[Asked], Reply], query: str, written: str
) -> None:
    def guarded(asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply({"error": "who?"}, status=401)
        return answer(asked)

    with serving(guarded) as api:
        url = f"{api.url}/api/v1/ho-so{query}"
        made = run(tmp_path, "sources", "new", "so-moi", url, "--token", TOKEN, "--json")
        assert made.exit_code == 0, made.output
        text = (tmp_path / "sources" / "so-moi.yaml").read_text("utf-8")
        assert written in text
        assert 'auth: {bearer: {token: "${SO_MOI_TOKEN}"}}' in text
        for secret in (TOKEN, PERSON[:7], "Nguyễn"):
            assert secret not in text + made.output
        for mapped in (
            "dossier_code: maHoSo", "procedure_code: thuTuc.ma", "version: ngayCapNhat",
            "codes: national_status", "applicant_id: nguoiNop.soDinhDanh",
        ):  # fmt: skip
            assert mapped in text
        assert json.loads(made.stdout)["variable"] == "SO_MOI_TOKEN"
        done = run(tmp_path, "sync", "so-moi", "--json", env={"SO_MOI_TOKEN": TOKEN})
        assert done.exit_code == 0, done.output
        (receipt,) = json.loads(done.stdout)
        assert (receipt["read"], receipt["inserted"], receipt["quarantined"]) == (230, 230, 0)
        again = run(tmp_path, "sync", "so-moi", "--json", env={"SO_MOI_TOKEN": TOKEN})
        assert json.loads(again.stdout)[0]["landed"] == 0


def test_days_in_the_url_freeze_nothing_and_are_told_as_an_interval(tmp_path: Path) -> None:
    with serving(in_vietnamese) as api:
        url = f"{api.url}/ho-so?trang=1&soDong=100&tuNgay=2026-01-06&donVi=H41"
        assert run(tmp_path, "sources", "new", "so-moi", url).exit_code == 0
    text = (tmp_path / "sources" / "so-moi.yaml").read_text("utf-8")
    assert "query: {donVi: H41} # as in the URL" in text
    assert 'interval: {from: tuNgay, format: "%Y-%m-%d"' in text
    assert "# cursor: {column: ngayCapNhat, late_window: 2 days}" in text


def test_a_first_page_alone_is_not_taken_for_everything(tmp_path: Path) -> None:
    with serving(lambda _: Reply({"tong": len(ROWS), "danhSach": ROWS[:20]})) as api:
        done = run(tmp_path, "sources", "new", "so-moi", f"{api.url}/ho-so")
    assert done.exit_code == 2
    assert "20 of 230 rows came (tong)" in done.output
    assert not (tmp_path / "sources" / "so-moi.yaml").exists()


def test_a_key_in_a_header_is_a_reference_and_a_key_in_the_url_is_refused(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        return whole(asked) if asked.headers.get("x-khoa") == TOKEN else Reply({}, status=403)

    with serving(answer) as api:
        url = f"{api.url}/ho-so"
        words = ("sources", "new", "so-moi", url, "--header", "X-Khoa: ${KHOA}")
        assert run(tmp_path, *words, env={"KHOA": TOKEN}).exit_code == 0
        text = (tmp_path / "sources" / "so-moi.yaml").read_text("utf-8")
        assert 'auth: {api_key: {header: X-Khoa, value: "${KHOA}"}}' in text
        unset = run(tmp_path, "sources", "new", "hai", url, "--header", "X-Khoa: ${KHONG_CO}")
        assert unset.exit_code == 2
        assert "export KHONG_CO=" in unset.output
        wrong = run(tmp_path, "sources", "new", "hai", url, "--header", "X-Khoa")
        assert wrong.exit_code == 2
        refused = run(tmp_path, "sources", "new", "hai", url, "--token", "khong-dung")
        assert refused.exit_code == 1
        assert "khong-dung" not in refused.output
        in_url = run(tmp_path, "sources", "new", "hai", f"{url}?api_key={TOKEN}")
        assert in_url.exit_code == 2
        assert TOKEN not in in_url.output
        assert sorted(p.name for p in (tmp_path / "sources").glob("*.yaml")) == ["so-moi.yaml"]


def test_an_answer_without_a_list_is_named(tmp_path: Path) -> None:
    with serving(lambda _: Reply({"ok": True})) as api:
        done = run(tmp_path, "sources", "new", "so-moi", f"{api.url}/ho-so/1")
    assert done.exit_code == 2
    assert "no list of objects" in done.output
    done = run(tmp_path, "sources", "new", "so-moi", str(tmp_path), "--token", "x")
    assert done.exit_code == 2
