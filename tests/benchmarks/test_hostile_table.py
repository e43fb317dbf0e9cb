"""The table of the hostile benchmark finds its place in README and docs, and nowhere else."""

from pathlib import Path

import pytest

from benchmarks.hostile_directory import Third
from benchmarks.hostile_table import PAGES, SERVICES, Row, table, write

ROWS = [Row("A1: memory", "+99 MB", "150 MB", good=True), Row("C1: a third party", "9 a second", "2", good=False)]


def test_each_page_has_one_place_for_it(tmp_path: Path) -> None:
    copies = []
    for page in PAGES:
        copy = tmp_path / page.name
        copy.write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
        copies.append(copy)
    for _ in range(2):  # again and again
        write(ROWS, tuple(copies))
    for copy in copies:
        assert copy.read_text(encoding="utf-8").count(table(ROWS)) == 1
    assert "| C1: a third party | 9 a second **missed** | 2 |" in table(ROWS)


def test_the_table_of_services_has_a_place_of_its_own(tmp_path: Path) -> None:
    page = tmp_path / PAGES[1].name
    before = PAGES[1].read_text(encoding="utf-8")
    page.write_text(before, encoding="utf-8")
    write(ROWS, (page,), SERVICES)
    after = page.read_text(encoding="utf-8")
    assert after.count(table(ROWS)) == 1
    assert after.partition("<!-- hostile services")[0] == before.partition("<!-- hostile services")[0]


def test_a_page_without_a_place_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="no place"):
        write(ROWS, (page,))


@pytest.mark.parametrize(
    ("packets", "row", "size", "good"),
    [(40, 20, 3000, True), (60, 20, 3000, True), (61, 20, 3000, False), (40, 21, 3000, False), (40, 20, 3001, False)],
)
def test_the_bounds_of_a_third_party(packets: int, row: int, size: int, good: bool) -> None:
    assert Third("C1", 20.0, packets, row, size, 1000).good is good
