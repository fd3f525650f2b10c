"""What is said of a text that isn't UTF-8 while nobody stated its encoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.encodings.proposing import Proposal, proposals

SeenHeader = Callable[[bytes], Sequence[str]]
"""The cells of the header of a text (in UTF-8), or none where it can't be told from a row."""

_SHOWN_CELLS = 5
_SHOWN_CHARS = 40


def advice(sample: bytes, *, beginning: bytes, header: SeenHeader | None) -> str:
    """A sentence that proposes an `encoding:`, with what speaks for it.

    Of the text itself only cells of the header are shown: what stands in rows may be personal.

    Args:
        sample: Bytes beyond ASCII are in it.
        beginning: The file's first bytes.
        header: Finds the header, where the format has one.
    """
    found = proposals(sample)
    if not found:
        return "state its `encoding:`, if it is text at all"
    best = found[0]
    if best.encoding == "utf-8":
        return (
            "state its `encoding:`: it is utf-8 but for a few broken bytes; once this is stated, "
            "only the lines that hold them go to quarantine"
        )
    text = beginning[: len(beginning) // 2 * 2].decode(best.encoding, "replace").encode()
    cells = tuple(header(text)) if header is not None else ()
    shown = ", ".join(repr(cell[:_SHOWN_CHARS]) for cell in cells[:_SHOWN_CELLS] if cell)
    said = f"state its `encoding:`, {_fits(best)}"
    if shown:
        said += f", and reads its header as {shown}"
    others = [f"{one.encoding} {one.likely} of {one.words}" for one in found[1:3] if one.words]
    return f"{said} (next: {'; '.join(others)})" if others else said


def _fits(best: Proposal) -> str:
    kind = "European" if best.encoding == "cp1252" else "Vietnamese"
    certain = "is right by all signs" if best.is_certain else "is the likeliest"
    return (
        f"{best.encoding} {certain}: {best.likely} of {best.words} words with letters beyond "
        f"ASCII are built like {kind} ones"
    )
