"""Which encoding a text is in, as far as its bytes can tell.

A candidate is judged by the words that it makes of the bytes beyond ASCII: the share of them that
are built like a Vietnamese syllable (onset, vowels, coda, at most one tone, one way of writing
capitals). Chance builds few of those, so that the right encoding stands out by itself.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

SAMPLE_BYTES = 256 * 1024
CANDIDATES = ("cp1258", "tcvn3", "vni", "viscii", "tcvn5712")
_WESTERN = "cp1252"
_CERTAIN = 0.6
_FEW_WORDS = 3

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_ONSETS = "b|ch?|d|đ|gh?|gi|h|kh?|l|m|n|ngh?|nh|ph?|qu|r|s|th?|tr|v|x"
_VOWELS = (
    "a|ă|â|e|ê|i|o|ô|ơ|u|ư|y|ai|ao|au|ay|âu|ây|eo|êu|ia|iê|iêu|iu|oa|oai|oay|oao|oă|oe|oeo|oi|oo|"
    "ôi|ơi|ua|uâ|uây|uê|ui|uô|uôi|uơ|uy|uya|uyê|uyu|ưa|ươ|ươi|ươu|ưi|ưu|yê|yêu"
)
_CODAS = "ch|c|m|ng|nh|n|p|t"
_SYLLABLE = re.compile(f"(?:{_ONSETS})?(?:{_VOWELS})(?:{_CODAS})?")
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])*")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An encoding that a text may be in.

    Attributes:
        encoding: What to state as `encoding:`.
        words: Words with letters beyond ASCII that it makes of the text.
        likely: How many of them are built like Vietnamese, or like any European word for the
            Western code page.
        undecoded: Bytes that it has no character for.
    """

    encoding: str
    words: int
    likely: int
    undecoded: int = 0

    @property
    def share(self) -> float:
        """Likely words among all, from 0 to 1."""
        return self.likely / self.words if self.words else 0.0

    @property
    def is_certain(self) -> bool:
        """There is enough to go by, and it speaks for this encoding."""
        return self.words >= _FEW_WORDS and self.share >= _CERTAIN


def proposals(sample: bytes) -> tuple[Proposal, ...]:
    """What the beginning of a text may be encoded in, the likeliest first.

    UTF-16 without a mark is seen by its zero bytes, UTF-8 with some broken bytes by the sound
    ones; all others by their words. Empty when the bytes are none of all that.
    """
    sample = sample[:SAMPLE_BYTES]
    wide = _wide(sample)
    if wide is not None:
        return (wide,)
    if b"\0" in sample:
        return ()
    found = [*_broken_utf8(sample), *(_judged(sample, name) for name in CANDIDATES)]
    found.sort(key=lambda one: (-round(one.share, 2), one.undecoded))
    western = _as_western(sample)
    return (*found, western) if found[0].share >= _CERTAIN else (western, *found)


def is_vietnamese(word: str) -> bool:
    """Whether a word is built like one Vietnamese syllable."""
    letters = unicodedata.normalize("NFD", word.casefold())
    tones = [char for char in letters if char in _TONES]
    bare = unicodedata.normalize("NFC", "".join(c for c in letters if c not in _TONES))
    return len(tones) <= 1 and _SYLLABLE.fullmatch(bare) is not None


def _judged(sample: bytes, encoding: str) -> Proposal:
    text, undecoded = _decoded(sample, encoding)
    words = list(_accented(text))
    likely = sum(_has_case(word, encoding) and is_vietnamese(word) for word in words)
    return Proposal(
        encoding=encoding, words=len(words) + undecoded, likely=likely, undecoded=undecoded
    )


def _decoded(sample: bytes, encoding: str) -> tuple[str, int]:
    text = codecs.decode(sample, encoding, "replace")
    return unicodedata.normalize("NFC", text), text.count("\N{REPLACEMENT CHARACTER}")


def _accented(text: str) -> Iterator[str]:
    return (word for word in _WORD.findall(text) if not word.isascii())


def _has_case(word: str, encoding: str) -> bool:
    """One way of writing capitals; what a capital font shows large is small in TCVN3."""
    if word.islower() or word.isupper() or word.istitle():
        return True
    if encoding != "tcvn3":
        return False
    bare = [char for char in word if not unicodedata.normalize("NFD", char)[1:] and char not in "đ"]
    return all(char.isupper() for char in bare)


def _wide(sample: bytes) -> Proposal | None:
    """UTF-16 without a mark: every other byte of its spaces, digits and signs is zero."""
    half = len(sample) // 2
    even, odd = sample[: 2 * half : 2].count(0), sample[1 : 2 * half : 2].count(0)
    if not half or max(even, odd) * 5 < half or min(even, odd) * 50 > half:
        return None
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    text, undecoded = _decoded(sample[: 2 * half], encoding)
    words = list(_accented(text))
    likely = sum(map(is_vietnamese, words))
    return Proposal(encoding=encoding, words=len(words), likely=likely, undecoded=undecoded)


def _broken_utf8(sample: bytes) -> Iterator[Proposal]:
    """UTF-8, where its characters are many more than the bytes that are none."""
    text, broken = _decoded(sample, "utf-8")
    sound = sum(not char.isascii() for char in text) - broken
    if sound > 5 * broken:
        yield Proposal(encoding="utf-8", words=sound + broken, likely=sound, undecoded=broken)


def _as_western(sample: bytes) -> Proposal:
    text, undecoded = _decoded(sample, _WESTERN)
    words = list(_accented(text))
    likely = sum(word.islower() or word.isupper() or word.istitle() for word in words)
    return Proposal(encoding=_WESTERN, words=len(words), likely=likely, undecoded=undecoded)
