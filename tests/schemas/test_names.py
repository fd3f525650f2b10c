from __future__ import annotations

from schemas.names import nearest, unknown


def test_the_nearest_name_is_the_one_most_like_it() -> None:
    assert nearest("recieved_at", ["received_at", "returned_at", "due_at"]) == "received_at"


def test_nothing_is_proposed_when_nothing_is_alike() -> None:
    assert nearest("zzz", ["received_at"]) is None
    assert unknown("column", "zzz", valid=["b", "a"]) == "there is no column 'zzz': valid are a, b"
