"""The line about the slow half says what was found, and a damaged record is none."""

from pathlib import Path

import pytest

from tests.support import slow_half


def test_it_says_when_and_what(tmp_path: Path) -> None:
    record = tmp_path / "slow.json"
    assert "never ran here" in slow_half.told(record=record)
    slow_half.ran({"passed": 80, "failed": 2, "deselected": 5000}, record=record)
    said = slow_half.told(record=record)
    assert "0 days ago" in said
    assert ": 80 passed, 2 failed (`make test-slow`)" in said
    assert [path.name for path in tmp_path.iterdir()] == ["slow.json"]


def test_days_are_counted(tmp_path: Path) -> None:
    record = tmp_path / "slow.json"
    record.write_text('{"at": 0, "commit": "abc", "counts": {}}')
    assert "3 days ago, at abc: nothing ran" in slow_half.told(record=record, now=3.5 * 86_400)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"at": "x", "commit": "", "counts": {}}'])
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    record = tmp_path / "slow.json"
    record.write_text(text)
    assert "never ran here" in slow_half.told(record=record)
