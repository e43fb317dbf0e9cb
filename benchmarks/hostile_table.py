"""What `python -m benchmarks.hostile --hosts` found, as the table of README and docs/benchmarks.md."""

import re
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
_PLACE: Final = re.compile(r"(<!-- hostile: made by [^\n]*-->\n).*?(<!-- end of hostile -->)", re.DOTALL)
SERVICES: Final = re.compile(
    r"(<!-- hostile services: made by [^\n]*-->\n).*?(<!-- end of hostile services -->)", re.DOTALL
)


class Row(NamedTuple):
    """One figure: what it is of, what was seen, what was asked for, whether that holds."""

    what: str
    seen: str
    wanted: str
    good: bool


def table(rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    lines = ["| attacked by | seen | wanted |", "| --- | --- | --- |"]
    lines += [f"| {row.what} | {row.seen}{'' if row.good else ' **missed**'} | {row.wanted} |" for row in rows]
    return "\n".join(lines) + "\n"


def write_services(rows: list[Row]) -> None:
    """Put the table of the services into docs/benchmarks.md."""
    write(rows, PAGES[1:], SERVICES)


def write(rows: list[Row], pages: tuple[Path, ...] = PAGES, place: re.Pattern[str] = _PLACE) -> None:
    """Put the table where it has its place. Raises ValueError for a page without one."""
    made = table(rows)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        changed, times = place.subn(lambda found: found[1] + made + found[2], text)
        if times != 1:
            raise ValueError(f"{page} has no place for the table, or more than one")
        page.write_text(changed, encoding="utf-8")
