"""`grapevine share --list-ports`: what listens on this computer, as the window's sheet shows it."""

from core.cli.output import Output
from core.cli.running import run
from core.files.shown import plain
from core.kinds.listening import Found, what_listens
from core.values import JsonValue

_HEADS = ("port", "program", "usually", "to share it")


def print_ports(output: Output) -> None:
    """Print it, and end."""

    async def job() -> None:
        found = await what_listens()
        rows = [(str(each.port), each.program or "?", each.title or "?", command_for(each)) for each in found]
        text = "\n".join(_aligned([_HEADS, *rows])) if rows else "Nothing listens on this computer."
        ports: list[JsonValue] = [{**each._asdict(), "command": command_for(each)} for each in found]
        output.result("ports", text, ports=ports)

    run(job, output)


def command_for(found: Found) -> str:
    """Return what to type to share it."""
    return f"grapevine share {found.port}" if found.kind == "http" else f"grapevine share --tcp {found.port}"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    shown = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(_HEADS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in shown)
    return [line.rstrip() for line in lines]
