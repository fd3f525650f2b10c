"""What the report says to the office, in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from connectors.registry import FilesOptions, FilesStream, SqlStream
from flows.catalog import Source
from flows.findings import BrokenRule, StreamFindings, Trouble
from schemas.codes import code_lists
from schemas.fields import Severity
from schemas.rules import RuleText

_FORMS: Final[Mapping[str, RuleText]] = {
    "missing": RuleText(
        vi="Nhập bổ sung giá trị cho các dòng này. Nếu cột được phép để trống, xin báo lại.",
        en="Fill in the value of these rows. If the column may be empty, please say so.",
    ),
    "unparseable": RuleText(
        vi="Xem cách ghi ở các dòng này: nếu ghi nhầm, sửa tại hệ thống; nếu là cách ghi đúng của "
        "đơn vị, xin cho biết để bổ sung khai báo.",
        en="See how these rows are written: correct what is a mistake; if it is the office's "
        "proper way, please say so, and it will be added to the mapping.",
    ),
    "unknown_code": RuleText(
        vi="Cho biết ý nghĩa của các giá trị này (kèm bảng mã của đơn vị, nếu có); nếu ghi nhầm, "
        "sửa tại hệ thống.",
        en="Say what these values mean (with the office's code list, if there is one); correct "
        "what is a mistake.",
    ),
    "out_of_range": RuleText(
        vi="Kiểm tra và sửa các giá trị quá lớn hoặc quá xa này.",
        en="Check and correct these values, which are too large or too far away.",
    ),
    "type": RuleText(
        vi="Kiểm tra kiểu dữ liệu của cột ở các dòng này.",
        en="Check the column's type of data in these rows.",
    ),
    "ambiguous_hour": RuleText(
        vi="Không phải làm gì; nếu cần chính xác, ghi giờ kèm múi giờ.",
        en="Nothing to do; to be exact, write times with their offset.",
    ),
    "nonexistent_hour": RuleText(
        vi="Kiểm tra đồng hồ của hệ thống: giờ này không có trong múi giờ đã khai báo.",
        en="Check the system's clock: this hour doesn't exist in the stated time zone.",
    ),
}

_RULES: Final[Mapping[str, RuleText]] = {
    "key_missing": RuleText(
        vi="Nhập mã số cho các dòng này: không có mã thì không theo dõi được hồ sơ.",
        en="Give these rows their number: without one the dossier can't be followed.",
    ),
    "anchor_out_of_range": RuleText(
        vi="Kiểm tra năm của ngày này.", en="Check the year of this date."
    ),
    "parent_varies": RuleText(
        vi="Kiểm tra các dòng của cùng một hồ sơ: thông tin chung phải giống nhau.",
        en="Check the lines of one dossier: what they share has to be the same.",
    ),
    "broken_line": RuleText(
        vi="Mở tệp tại dòng nêu trên: số ô không khớp với tiêu đề. Đặt ô có dấu phân cách trong "
        "dấu ngoặc kép, hoặc xóa ô thừa, rồi gửi lại tệp.",
        en="Open the file at that line: its cells don't match the heading. Quote cells that hold "
        "the delimiter, or take out what is too many, and deliver the file again.",
    ),
    "bad_encoding": RuleText(
        vi="Lưu lại tệp với bảng mã UTF-8, rồi gửi lại.",
        en="Save the file as UTF-8 and deliver it again.",
    ),
    "zero_byte": RuleText(
        vi="Tệp có thể bị hỏng khi sao chép: xuất lại từ hệ thống và gửi lại.",
        en="The file may be damaged: export it again and deliver it anew.",
    ),
    "broken_record": RuleText(
        vi="Xuất lại tệp từ hệ thống; phần tử tại vị trí nêu trên không phải là một bản ghi.",
        en="Export the file again; the element at that place is no record.",
    ),
    "line_too_long": RuleText(
        vi="Kiểm tra dấu ngoặc kép không đóng ở dòng này, hoặc nội dung quá dài.",
        en="Look for a quote that isn't closed at this line, or a text far too long.",
    ),
}

_REJECTED: Final = RuleText(
    vi="Kiểm tra và sửa các dòng này tại hệ thống; chúng được nhận lại khi đã sửa.",
    en="Check and correct these rows in the system; they are taken again once corrected.",
)
_WARNED: Final = RuleText(
    vi="Kiểm tra các dòng này. Chúng vẫn được nhận, kèm cảnh báo.",
    en="Check these rows. They are accepted, with a warning.",
)

_TROUBLES: Final[Mapping[Trouble, tuple[RuleText, RuleText]]] = {
    "unreachable": (
        RuleText(vi="Không kết nối được tới nguồn.", en="The source could not be reached."),
        RuleText(
            vi="Kiểm tra máy chủ, đường truyền và tường lửa, rồi cho biết khi nào thử lại được.",
            en="Check server, line and firewall, and say when it can be tried again.",
        ),
    ),
    "refused": (
        RuleText(
            vi="Tới được nguồn nhưng không đọc được dữ liệu.",
            en="The source was reached, and its data could not be read.",
        ),
        RuleText(
            vi="Kiểm tra tài khoản chỉ đọc, quyền đọc và bảng hoặc tệp nêu ở mục này.",
            en="Check the read-only account, its rights, and the table or files named here.",
        ),
    ),
    "changed": (
        RuleText(
            vi="Cấu trúc của nguồn khác với khai báo.",
            en="The source's structure differs from what the mapping says.",
        ),
        RuleText(
            vi="Cho biết cột nào đã đổi tên, bỏ đi hoặc chuyển chỗ, và từ ngày nào.",
            en="Say which columns were renamed, dropped or moved, and since when.",
        ),
    ),
}

_MISSING: Final = RuleText(
    vi="Cột có trong khai báo nhưng không có ở nguồn: cho biết tên mới hoặc xác nhận đã bỏ.",
    en="Mapped columns that the source doesn't have: give their new names, or say they are gone.",
)


_UNREAD: Final = RuleText(vi="chưa đọc được", en="not read")
_NO_VALUES: Final = RuleText(vi="không có giá trị", en="no values")
_KINDS: Final[Mapping[Severity, RuleText]] = {
    "reject": RuleText(vi="từ chối", en="rejected"),
    "warn": RuleText(vi="cảnh báo", en="warning"),
}

_SAMPLE_MOMENT: Final = datetime(2026, 12, 31, 17, 5, 9, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome in a sentence."""

    status: Literal["done", "warned", "degraded", "failed"]
    text: RuleText


@dataclass(frozen=True, kw_only=True)
class Task:
    """One thing that the office is asked to do.

    Attributes:
        stream: Where.
        anchor: Where in the page it is explained.
        what: What was found.
        todo: What to do about it.
        columns: Source columns concerned.
        rows: Rows concerned; None where it isn't about rows.
        kind: What it means for the data.
        is_urgent: Rows are missing until it is done.
    """

    stream: str
    anchor: str
    what: RuleText
    todo: RuleText
    kind: RuleText
    columns: tuple[str, ...] = ()
    rows: int | None = None
    is_urgent: bool = True


def advice(rule: BrokenRule) -> RuleText:
    """What the office should do about a broken rule."""
    form, colon, _ = rule.rule.partition(":")
    known = _FORMS.get(form) if colon else _RULES.get(rule.rule)
    return known or (_REJECTED if rule.severity == "reject" else _WARNED)


def finding(rule: BrokenRule) -> RuleText:
    """What is wrong with the rows, as a sentence."""
    if not rule.is_promise:
        return rule.text
    return RuleText(vi=f"Trái với quy tắc: {rule.text.vi}", en=f"Against the rule: {rule.text.en}")


def verdict(findings: Sequence[StreamFindings]) -> Verdict:
    """The outcome of the check as a whole."""
    failed = [one for one in findings if one.trouble is not None]
    if failed and len(failed) == len(findings):
        text = RuleText(
            vi="Chưa kiểm tra được dữ liệu.", en="The data could not be checked."
        )  # fmt: skip
        return Verdict(status="failed", text=text)
    if failed:
        text = RuleText(
            vi="Một phần nguồn chưa kiểm tra được.", en="Part of the source could not be checked."
        )
        return Verdict(status="degraded", text=text)
    severities = {rule.severity for one in findings for rule in one.rules}
    if "reject" in severities:
        text = RuleText(
            vi="Đọc được nguồn; một số dòng bị từ chối.",
            en="The source can be read; some rows are rejected.",
        )
        return Verdict(status="degraded", text=text)
    if severities:
        text = RuleText(
            vi="Đọc được nguồn, mọi dòng đều được nhận; một số dòng có cảnh báo.",
            en="The source can be read and every row is accepted; some have warnings.",
        )
        return Verdict(status="warned", text=text)
    text = RuleText(
        vi="Đọc được nguồn, mọi dòng đều được nhận.",
        en="The source can be read and every row is accepted.",
    )
    return Verdict(status="done", text=text)


def asked(findings: Sequence[StreamFindings]) -> list[Task]:
    """What the office is asked to do: what loses rows first."""
    tasks: list[Task] = []
    for number, one in enumerate(findings, 1):
        stream = one.check.stream
        if one.trouble is not None:
            what, todo = _TROUBLES[one.trouble]
            tasks.append(
                Task(stream=stream, anchor=f"s{number}", what=what, todo=todo, kind=_UNREAD)
            )
        missing = tuple(column.name for column in one.columns if column.type is None)
        if missing and one.trouble is None:
            what = RuleText(vi="Thiếu cột.", en="Columns are missing.")
            tasks.append(
                Task(
                    stream=stream, anchor=f"s{number}", what=what, todo=_MISSING, kind=_NO_VALUES,
                    columns=missing, is_urgent=False,
                )
            )  # fmt: skip
        tasks += [
            Task(
                stream=stream, anchor=f"s{number}r{place}", what=finding(rule), todo=advice(rule),
                kind=_KINDS[rule.severity], columns=rule.columns, rows=rule.rows,
                is_urgent=rule.severity == "reject",
            )
            for place, rule in enumerate(one.rules, 1)
        ]  # fmt: skip
    return sorted(tasks, key=lambda task: (not task.is_urgent, task.kind is not _UNREAD))


def reached(source: Source, stream: str) -> list[tuple[RuleText, str]]:
    """How a stream was reached: what, and its name; never an address with a user or a password."""
    options = source.streams[stream].spec.options
    lines: list[tuple[RuleText, str]] = []
    if isinstance(options, SqlStream):
        lines.append((RuleText(vi="Cách đọc", en="Read by"), "SQL, chỉ lệnh SELECT (SELECT only)"))
        if options.table is not None:
            lines.append((RuleText(vi="Bảng hoặc khung nhìn", en="Table or view"), options.table))
        else:
            what = RuleText(vi="Câu truy vấn", en="Query")
            lines.append((what, "câu SELECT trong khai báo (a SELECT in the mapping)"))
    elif isinstance(options, FilesStream):
        given = source.connector_options
        if isinstance(given, FilesOptions):
            lines.append((RuleText(vi="Thư mục", en="Folder"), _without_user(given.path)))
        lines.append((RuleText(vi="Tệp", en="Files"), ", ".join(options.patterns)))
    else:
        lines.append((RuleText(vi="Cách đọc", en="Read by"), source.connector_type))
    return lines


def stated(word: str) -> str:
    """A format by an example, a code list by its title."""
    if "%" in word:
        return f"{_SAMPLE_MOMENT.strftime(word)} ({word})"
    lists = code_lists()
    return f"{lists[word].vi} ({word})" if word in lists else word


def _without_user(path: str) -> str:
    scheme, separator, rest = path.partition("://")
    if not separator:
        return path
    host, slash, below = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{below}"
