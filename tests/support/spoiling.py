"""What happens to files on their way: cut off, bits flipped, overwritten, columns exchanged."""

from __future__ import annotations

import random
from typing import Any


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """Cut off, with flipped bits, partly or wholly junk."""
    kind = chance.randrange(4)
    if kind == 0:
        return content[: chance.randrange(1, len(content))]
    if kind == 1:
        return chance.randbytes(chance.randrange(1, 4000))
    held = bytearray(content)
    if kind == 2:
        for _ in range(chance.choice([1, 1, 3, 20])):
            held[chance.randrange(len(held))] ^= 1 << chance.randrange(8)
    else:
        at, size = chance.randrange(len(held)), chance.randrange(1, 200)
        held[at : at + size] = chance.randbytes(size)
    return bytes(held)


def exchanged(
    rows: list[dict[str, Any]], one: str, other: str, chance: random.Random
) -> list[dict[str, Any]]:
    """The rows, some of them with the values of two columns in each other's place."""
    swap = {one: other, other: one}
    return [
        {name: row[swap.get(name, name)] for name in row} if chance.random() < 0.3 else dict(row)
        for row in rows
    ]
