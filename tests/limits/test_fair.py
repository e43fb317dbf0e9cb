"""Fair tables: who would make room."""

from core.limits.fair import FairTable


def test_it_says_who_would_go_first_whether_it_is_full_or_not() -> None:
    table: FairTable[str, int, str] = FairTable(10, 10)
    assert table.first_out() is None
    assert table.oldest_of("a") is None
    table.put("kept", 0, "c", kept=True)
    assert table.first_out() is None
    table.put("a1", 1, "a")
    table.put("b1", 1, "b")
    table.put("b2", 1, "b")
    assert table.first_out() == "b1"
    assert (table.oldest_of("a"), table.oldest_of("c")) == ("a1", "kept")
    assert len(table) == 4
