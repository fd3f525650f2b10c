"""From the bytes of an answer to a JSON value, without losing a digit.

Numbers come out as text with a mark before it: a letter that the answer doesn't have, as a rule
U+0000, which JSON can only write as an escape. Most answers are decoded by msgspec, which leaves
whole numbers whole; what it doesn't take is left to the decoder of the standard library.
Measured on 27 MB, 100,000 records: decoding so takes what plain `json.loads` takes, a subclass of
str for numbers four times as much; see docs/decisions/0011-rows-of-an-api.md.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from email.message import Message
from functools import cache
from typing import Any, Final

import msgspec

from connectors.rest.errors import Failure, broken_answer
from connectors.rest.masking import masked_start
from connectors.rest.records import Records
from connectors.rest.request import Answer, at_path

_MARK: Final = "\0"
_OTHER_MARKS = range(0xE000, 0xF8FF)  # private use
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NEAR_END = 16
marked: Final = _MARK.__add__
"""Makes a value of a number with a fraction, where an answer is decoded the quick way."""
_QUICK: Final = msgspec.json.Decoder(float_hook=marked)
_MINUS_ZERO: Final = re.compile(rb"-0[\s,}\]]")  # as a whole number it would lose its sign


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A JSON value.

    Attributes:
        value: Its numbers are texts that begin with `mark`; whole ones may be numbers.
        mark: One letter; no text of the value has it.
        notes: What a person should know of how it came.
        records: Its rows may be of this kind instead of dictionaries.
    """

    value: Any
    mark: str = _MARK
    notes: tuple[str, ...] = ()
    records: Records | None = None

    def text(self, path: str) -> str | None:
        """A text or number that stands at a path; None for anything else."""
        found = at_path(self.value, path)
        if type(found) is int:
            return str(found)
        return found.removeprefix(self.mark) if isinstance(found, str) else None

    def count(self, path: str) -> int | None:
        """A whole number at a path, written as number or text; None for anything else."""
        text = self.text(path)
        return int(text) if text is not None and text.isascii() and text.isdigit() else None

    def flag(self, path: str) -> bool | None:
        """A truth value at a path; None where there is none."""
        found = at_path(self.value, path)
        words = {"true": True, "1": True, "false": False, "0": False}
        return found if isinstance(found, bool) else words.get((self.text(path) or "").casefold())

    def nested(self, value: object) -> str:
        """An object or list of it as JSON text, numbers with their own digits."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return _nested_number(self.mark).sub(r"\1", text)


def decoded(answer: Answer, *, encoding: str | None, records: Records | None = None) -> Decoded:
    """The JSON value of an answer.

    Args:
        answer: The answer.
        encoding: Codec that the YAML states, or None.
        records: What the rows are to be decoded to, if they are as expected.

    Raises:
        Failure: It holds none: empty, HTML, cut short, another charset than said.
    """
    kind = _content_type(answer)
    if encoding is None and (fast := _quickly(answer.body, records)) is not None:
        return Decoded(value=fast, notes=_notes(answer, kind), records=records)
    body = answer.body
    if not body.strip():
        raise Failure("an empty answer", advice="the server is ill; run it again later")
    text = _text(body, kind, encoding)
    if text.lstrip()[:1] == "<":
        what = "HTML" if "html" in text[:500].casefold() else "XML"
        raise Failure(
            f"{what} instead of JSON, with status {answer.status}", shown=masked_start(body),
            advice="a page of maintenance or of login? Run it again later, or compare `url`",
        )  # fmt: skip
    mark = _unused(text)
    try:
        value = _decoder(mark).decode(text)
    except json.JSONDecodeError as error:
        raise _no_json(error, text, body, kind) from None
    except RecursionError:
        raise broken_answer(
            "JSON nested too deep", shown=masked_start(body), advice="the API has to change"
        ) from None
    return Decoded(value=value, mark=mark, notes=_notes(answer, kind))


def _quickly(body: bytes, records: Records | None) -> Any:  # noqa: ANN401 - any JSON value
    """An object or list in UTF-8 by a quicker decoder; None where the careful one has to look."""
    if body.lstrip()[:1] not in {b"{", b"["} or _MINUS_ZERO.search(body):
        return None
    if b"\\" in body and b"\\u0000" in body:  # one letter is found much sooner than six
        return None
    for decode in (_QUICK.decode,) if records is None else (records.decode, _QUICK.decode):
        try:
            return decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
    return None


def _notes(answer: Answer, kind: Message) -> tuple[str, ...]:
    said = kind.get_content_type()
    is_named = "content-type" in answer.headers
    return (f"JSON under the content type {said}",) * (is_named and "json" not in said)


@cache
def _decoder(mark: str) -> json.JSONDecoder:
    marked = mark.__add__
    return json.JSONDecoder(parse_float=marked, parse_int=marked, parse_constant=marked)


@cache
def _nested_number(mark: str) -> re.Pattern[str]:
    written = json.dumps(mark, ensure_ascii=False)[1:-1]
    return re.compile(f'"{re.escape(written)}([^"]*)"')


def _unused(text: str) -> str:
    """A letter that the text has neither as it is nor as an escape."""
    if "\\u0000" not in text:
        return _MARK
    folded = text.casefold()
    letters = map(chr, _OTHER_MARKS)
    free = (c for c in letters if c not in text and f"\\u{ord(c):04x}" not in folded)
    mark = next(free, None)
    if mark is None:
        raise broken_answer(
            "JSON of every private letter", shown="", advice="the API has to change"
        )
    return mark


def _content_type(answer: Answer) -> Message:
    message = Message()
    message["content-type"] = answer.headers.get("content-type", "application/json")
    return message


def _text(body: bytes, kind: Message, encoding: str | None) -> str:
    for bom, named in _BOMS:
        if body.startswith(bom):
            encoding = named
            break
    # RFC 8259, 8.1: JSON is UTF-8, whatever a header says; only bytes that aren't ask for it.
    said = kind.get_content_charset()
    tried: tuple[str | None, ...] = (encoding,) if encoding else ("utf-8", said)
    for codec in tried:
        try:
            if codec is not None:
                return body.decode(codec)
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data":
                # Cut in the middle of a letter: what is missing isn't the charset.
                return body[: error.start].decode(codec or "utf-8")
        except (UnicodeError, LookupError):
            continue
    found = f", nor the {said} that it says it is," if said and said != "utf-8" else ""
    expected = encoding or "UTF-8"
    raise broken_answer(
        f"wrong charset: the answer isn't {expected}{found}", shown=masked_start(body),
        advice="state the API's `encoding:`",
    )  # fmt: skip


def _no_json(error: json.JSONDecodeError, text: str, body: bytes, kind: Message) -> Failure:
    is_short = error.pos >= len(text.rstrip()) - _NEAR_END or "Unterminated" in error.msg
    if is_short and text.lstrip()[:1] in {"{", "["}:
        return Failure(
            "the JSON is cut short", shown=masked_start(body),
            advice="the server ended in mid-answer; run it again later",
        )  # fmt: skip
    said = kind.get_content_type()
    what = "invalid JSON" if "json" in said else f"{said} instead of JSON"
    return broken_answer(
        what, shown=masked_start(body), advice="the office that runs the API has to look at it"
    )
