"""Every way of paging gives every row once; what doesn't page as it says is named."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.protocol import ReadRequest
from schemas.errors import ContractError
from tests.connectors.rest.support import connector, ids, notes, numbered, rows, stream
from tests.support.api import Asked, Reply, serving

ROWS = numbered(25)
EXPECTED = [str(row["id"]) for row in ROWS]


def by_page(asked: Asked) -> Reply:
    page, size = int(asked.query["page"]), int(asked.query["size"])
    part = ROWS[(page - 1) * size : page * size]
    return Reply({"data": {"items": part, "total": len(ROWS), "pages": 3, "last": page == 3}})


def by_offset(asked: Asked) -> Reply:
    start = int(asked.query["offset"])
    return Reply({"rows": ROWS[start : start + int(asked.query["limit"])], "total": len(ROWS)})


def by_slice(asked: Asked) -> Reply:
    start = int(asked.query["slice"]) * 10
    return Reply({"content": ROWS[start : start + 10], "more": start + 10 < len(ROWS)})


def by_cursor(asked: Asked) -> Reply:
    start = int(asked.query.get("after", "0"))
    following = start + 10 if start + 10 < len(ROWS) else None
    return Reply({"rows": ROWS[start : start + 10], "next": following})


def by_header_cursor(asked: Asked) -> Reply:
    start = int(asked.query.get("after", "0"))
    headers = {"X-Next": str(start + 10)} if start + 10 < len(ROWS) else {}
    return Reply(ROWS[start : start + 10], headers=headers)


def by_link(asked: Asked) -> Reply:
    start = int(asked.query.get("p", "0")) * 10
    link = f'</rows?p={start // 10 + 1}>; rel="next", </rows?p=0>; rel="first"'
    headers = {"Link": link} if start + 10 < len(ROWS) else {}
    return Reply(ROWS[start : start + 10], headers=headers)


def by_next(asked: Asked) -> Reply:
    start = int(asked.query.get("p", "0")) * 10
    host = asked.headers["host"]
    # An API behind a proxy often takes itself for another scheme.
    following = f"https://{host}/rows?p={start // 10 + 1}" if start + 10 < len(ROWS) else None
    return Reply({"rows": ROWS[start : start + 10], "next": following})


ONE = {"per_second": 1000, "concurrent": 1}  # one request after the other
PAGE = {"size": 10, "size_parameter": "size"}
WAYS: list[tuple[Any, Any, dict[str, Any]]] = [
    (by_page, "data.items", {"page": {**PAGE, "total": "data.total"}}),
    (by_page, "data.items", {"page": {**PAGE, "pages": "data.pages"}}),
    (by_page, "data.items", {"page": {**PAGE, "last": "data.last"}}),
    (by_page, "data.items", {"page": PAGE}),
    (by_offset, "rows", {"offset": {"size": 10, "total": "total"}}),
    (by_offset, "rows", {"offset": {"size": 7}}),
    (by_slice, "content", {"slice": {"parameter": "slice", "more": "more"}}),
    (by_slice, "content", {"slice": {"parameter": "slice"}}),
    (by_cursor, "rows", {"cursor": {"parameter": "after", "at": "next"}}),
    (by_header_cursor, None, {"cursor": {"parameter": "after", "header": "X-Next"}}),
    (by_link, None, {"link": {}}),
    (by_next, "rows", {"next": {"at": "next"}}),
]


@pytest.mark.parametrize(
    ("answer", "path", "paging"), WAYS, ids=lambda v: getattr(v, "__name__", str(v))[:60]
)
def test_every_way_of_paging_gives_every_row_once(answer: Any, path: str, paging: Any) -> None:
    with serving(answer) as api:
        assert ids(rows(connector(api.url), stream(rows=path, paging=paging))) == EXPECTED


def test_a_server_that_caps_the_page_loses_no_row() -> None:
    def capped(asked: Asked) -> Reply:
        start = int(asked.query["offset"])
        return Reply(ROWS[start : start + 4])

    with serving(capped) as api:
        spec = stream(paging={"offset": {"size": 1000}})
        assert ids(rows(connector(api.url), spec)) == EXPECTED


def test_parameters_go_into_the_body_where_the_api_takes_them_there() -> None:
    def answer(asked: Asked) -> Reply:
        assert asked.json["filter"] == {"kind": "all"}
        page = asked.json["paging"]["page"]
        return Reply({"rows": ROWS[(page - 1) * 10 : page * 10], "total": 25})

    with serving(answer) as api:
        paging = {"page": {"parameter": "paging.page", "total": "total"}}
        spec = stream(
            rows="rows", paging=paging, method="POST", body={"filter": {"kind": "all"}},
            parameters="body",
        )  # fmt: skip
        assert ids(rows(connector(api.url), spec)) == EXPECTED


def test_a_status_past_the_end_is_an_end_where_it_is_stated() -> None:
    def answer(asked: Asked) -> Reply:
        page = int(asked.query["page"])
        return Reply(ROWS[(page - 1) * 10 : page * 10]) if page <= 3 else Reply({}, status=404)

    with serving(answer) as api:
        spec = stream(paging={"page": {"end_status": [404]}})
        assert ids(rows(connector(api.url), spec)) == EXPECTED


def test_a_page_that_repeats_is_named() -> None:
    with (
        serving(lambda asked: Reply(ROWS[:10])) as api,
        pytest.raises(ContractError, match=r"page 2 is page 1 again.*parameter 'page'"),
    ):
        rows(connector(api.url), stream(paging="page"))


def test_a_server_that_answers_with_its_last_page_for_every_later_one_ends() -> None:
    def answer(asked: Asked) -> Reply:
        page = min(int(asked.query["page"]), 3)
        return Reply(ROWS[(page - 1) * 10 : page * 10])

    with serving(answer) as api:
        spec = stream(paging={"page": {"size": 10, "size_parameter": "size"}})
        assert ids(rows(connector(api.url), spec)) == EXPECTED


def test_a_list_that_never_ends_is_named() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply([{"id": int(asked.query["page"]), "v": "x"}])

    with (
        serving(answer) as api,
        pytest.raises(ContractError, match="more than 20 pages and doesn't end"),
    ):
        rows(connector(api.url), stream(paging={"page": {"max_pages": 20}}))


def test_a_cursor_that_leads_to_itself_is_named() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply({"rows": [{"id": len(asked.query), "v": "x"}], "next": "again"})

    with serving(answer) as api:
        spec = stream(rows="rows", paging={"cursor": {"at": "next"}})
        with pytest.raises(ContractError, match="leads to itself again"):
            rows(connector(api.url), spec)


def test_a_next_page_at_another_host_is_not_followed() -> None:
    with (
        serving(lambda asked: Reply({"rows": ROWS[:3], "next": "http://evil.test/x"})) as api,
        pytest.raises(ContractError, match=r"another host \(evil.test\)"),
    ):
        rows(connector(api.url), stream(rows="rows", paging="next"))


def test_pages_are_asked_for_ahead_and_given_in_order() -> None:
    with serving(by_page) as api:
        paging = {"page": {**PAGE, "total": "data.total"}}
        one = connector(api.url)
        assert ids(rows(one, stream(rows="data.items", paging=paging))) == EXPECTED
        assert sorted(a.query["page"] for a in api.asked) == ["1", "2", "3"]


class Drifting:
    """A list of the newest first, into which rows come while it is read."""

    def __init__(self, *, grows: int) -> None:
        self.rows = list(reversed(ROWS))
        self._grows = grows

    def __call__(self, asked: Asked) -> Reply:
        start = int(asked.query["offset"])
        part = self.rows[start : start + 10]
        total = len(self.rows)
        if start == 10 and self._grows:
            self._grows -= 1
            # A row leaves the window (it was changed): the next page skips one.
            self.rows.pop(0)
        return Reply({"rows": part, "total": total})


def test_rows_that_move_between_pages_are_read_until_two_reads_agree() -> None:
    drifting = Drifting(grows=1)
    with serving(drifting) as api:
        spec = stream(rows="rows", paging={"offset": {"size": 10, "total": "total"}})
        one = connector(api.url, budget=ONE)
        found = set(ids(rows(one, spec)))
        # 14 was skipped by the first read; 24 was there and left: what came is kept.
        assert found == set(EXPECTED)
        assert len(api.asked) >= 6


def test_a_list_that_never_holds_still_isnt_taken_for_complete() -> None:
    with serving(Drifting(grows=99)) as api:
        spec = stream(rows="rows", paging={"offset": {"size": 10, "total": "total"}})
        one = connector(api.url, budget=ONE)
        with one.read(spec, ReadRequest()) as read:
            for _ in read.batches():
                pass
            assert not read.summary.is_complete
            assert any("reads didn't agree" in note for note in read.summary.notes)


def test_a_total_that_moves_is_named() -> None:
    with serving(Drifting(grows=1)) as api:
        spec = stream(rows="rows", paging={"offset": {"size": 10, "total": "total"}})
        assert any(
            "the total moved" in note for note in notes(connector(api.url, budget=ONE), spec)
        )


def test_a_list_of_one_page_is_read_once() -> None:
    with serving(lambda asked: Reply({"rows": ROWS, "last": True})) as api:
        spec = stream(rows="rows", paging={"page": {"last": "last"}})
        assert ids(rows(connector(api.url, budget=ONE), spec)) == EXPECTED
        assert len(api.asked) == 1


def test_a_page_that_repeats_once_is_read_again() -> None:
    repeated = [True]

    def answer(asked: Asked) -> Reply:
        page = int(asked.query["page"])
        if page == 2 and repeated:
            repeated.pop()
            page = 1
        return Reply({"rows": ROWS[(page - 1) * 10 : page * 10], "total": len(ROWS)})

    with serving(answer) as api:
        spec = stream(rows="rows", paging={"page": {"total": "total"}})
        one = connector(api.url)
        with one.read(spec, ReadRequest()) as read:
            found = [i for batch in read.batches() for i in batch.column("id").to_pylist()]
            assert any("a page repeated the one before it" in n for n in read.summary.notes)
        assert found == EXPECTED


def test_check_tells_that_the_path_of_the_total_leads_nowhere() -> None:
    spec = stream(paging={"page": {"total": "meta.tong"}})

    def answer(asked: Asked) -> Reply:
        return Reply([{"id": "1", "v": "x"}] if asked.query.get("page") == "1" else [])

    with serving(answer) as api:
        found = connector(api.url).check(spec)
    assert any("no number at `total: meta.tong`" in note for note in found.notes)
