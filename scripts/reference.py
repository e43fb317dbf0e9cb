"""Write the reference pages of docs/ from the code: commands, events, errors, settings, limits, and two tables.

`python -m scripts.reference` (`make docs`) writes them; tests/test_reference.py fails while one is stale.
"""

import ast
import dataclasses
import enum
import inspect
import itertools
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from core.cli import event_lines, exits
from core.cli.commands import grapevine
from core.compiled import PURE, engines
from core.limits import bounds
from core.news.events import Traffic
from core.peer_id import PeerId
from core.profile.fields import Settings
from core.values import Address, JsonValue
from scripts.reference_limits import ALL_RULES
from scripts.reference_words import ERRORS, FIELDS

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = ROOT / "docs" / "reference"
_MADE: Final = "Made from the code by `make docs`; do not edit it by hand.\n"
_QUOTING: Final = ("core.cli.exits", "core.limits.bounds")
_ERROR_NAME: Final = re.compile(r"(ERR_[A-Z][A-Z0-9_]*)(?=$|[:;, )])")


def _cell(text: object) -> str:
    """Return text for a cell of a table."""
    return re.sub(r"\s+", " ", str(text)).replace("|", r"\|").strip()


def _table(head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


# -- commands ---------------------------------------------------------------------------------------------------------


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], f"{path} {name}")


def _option(option: click.Option, context: click.Context) -> tuple[object, ...]:
    record = option.get_help_record(context)
    assert record is not None
    return f"`{record[0]}`", record[1]


def _command(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, max_content_width=100)
    pieces = " ".join(piece for piece in command.collect_usage_pieces(context) if piece not in ("[OPTIONS]",))
    options = [_option(each, context) for each in command.get_params(context)
               if isinstance(each, click.Option) and not each.hidden and "--help" not in each.opts]  # fmt: skip
    text = inspect.cleandoc(command.help or "").replace("\b\n", "").strip()
    parts = [f"## `{path}`\n", f"`{path} [OPTIONS] {pieces}`\n".replace(" `", "`"), text + "\n"]
    if options:
        parts.append(_table(("option", "what it does"), options))
    return "\n".join(parts)


def commands() -> str:
    """Return the page of commands and exit codes."""
    head = f"# Commands\n\n{_MADE}\n`grapevine COMMAND --help` shows the same.\n"
    each = [_command(path, command) for path, command in _commands(grapevine, "grapevine")]
    return "\n".join([head, *each, "## Exit codes\n", exits.table()])


# -- events -----------------------------------------------------------------------------------------------------------


class _Any(str):
    """Stands for any JSON value in a sample."""


def _sample(hint: Any, *, full: bool) -> Any:  # noqa: ANN401 - any annotation of a field
    """Return a value of a field's type; of an optional one None, unless `full`."""
    if hint == JsonValue:
        return _Any()
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return _sample(typing.get_args(hint)[0], full=full) if full else None
    if hint is Address:
        return Address("192.0.2.1", 4000)
    if hint is PeerId:
        return PeerId(bytes(32))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return next(iter(hint))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _instance(hint, full=full)
    if typing.get_origin(hint) is tuple:
        return ()
    return {int: 1, float: 1.0, bool: True, str: ""}[hint]


def _instance(kind: type, *, full: bool) -> Any:  # noqa: ANN401
    hints = typing.get_type_hints(kind)
    return kind(**{each.name: _sample(hints[each.name], full=full) for each in dataclasses.fields(kind)})


def _type(value: object) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", _Any: "any"}
    return "null" if value is None else names.get(type(value), "array")


def event_types() -> dict[str, tuple[str, dict[str, str]]]:
    """Return, by an event's name, its docstring and the types of its JSON fields."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for kind in event_lines._FIELDS:  # the one table that says what `--json` prints
        samples = [event_lines.event_fields(_instance(kind, full=full)) for full in (True, False)]
        fields: dict[str, str] = {}
        for name in samples[0]:
            seen = list(dict.fromkeys(_type(sample[name]) if name in sample else "absent" for sample in samples))
            fields[name] = " or ".join(seen)
        fields.pop("event")
        found[kind.kind] = (inspect.getdoc(kind) or "", fields)
    state = {name: _type(value) for name, value in event_lines.state_fields(Traffic()).items()}
    found["state"] = ("What `grapevine share` counts, every 10 s if something changed, with `--json` only.", state)
    return found


def meaning(event: str, field: str) -> str:
    """Return what a field of an event means. Raises KeyError when nobody has written it down."""
    return FIELDS.get(f"{event}.{field}") or FIELDS[field]


def _results() -> list[tuple[object, ...]]:
    """Return the events that are a command's result: their name, the fields, and the module that prints them."""
    rows: dict[tuple[str, str], tuple[object, ...]] = {}
    for path in sorted((ROOT / "core" / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "result":
                first = _text(node.args[0])
                names = [f"`{each.arg}`" for each in node.keywords if each.arg]
                names += ["..."] if any(each.arg is None for each in node.keywords) else []
                if first and first != "state" and names:
                    rows[first, path.stem] = (f"`{first}`", ", ".join(names), f"`core.cli.{path.stem}`")
    return [rows[key] for key in sorted(rows)]


def events() -> str:
    """Return the page of JSON events."""
    parts = [
        f"# JSON events\n\n{_MADE}\nWith `--json` a command prints one JSON object on each line. `event` is its name."
        " New fields may come;\nthose here keep their names and types.\n"
    ]
    for name, (text, fields) in event_types().items():
        rows = [(f"`{field}`", kind, meaning(name, field)) for field, kind in fields.items()]
        parts.append(f"## `{name}`\n\n{text}\n\n" + _table(("field", "type", "meaning"), rows))
    parts.append("## Results\n\nWhat a command was asked for, once, at its end.\n\n"
                 + _table(("event", "fields", "printed by"), _results()))  # fmt: skip
    return "\n".join(parts)


# -- errors -----------------------------------------------------------------------------------------------------------


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def names_in(source: str) -> set[str]:
    """Return the error names that a module's code has as text, or as the beginning of one; docstrings aside."""
    found: set[str] = set()
    if "ERR_" not in source:
        return found
    tree = ast.parse(source)
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and _is_docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in skipped:
            text = node.value.decode(errors="replace") if isinstance(node.value, bytes) else node.value
            match = _ERROR_NAME.match(text) if isinstance(text, str) else None
            if match:
                found.add(match[1])
    return found


def error_places() -> dict[str, list[str]]:
    """Return, by its name, the modules of core where an error arises."""
    places: dict[str, list[str]] = {}
    for path in sorted((ROOT / "core").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in names_in(path.read_text()):
            places.setdefault(name, []).append(module)
    for modules in places.values():  # those that name the errors of others; what is left then comes from another grape
        modules[:] = [module for module in modules if module not in _QUOTING]
    return dict(sorted(places.items()))


def errors() -> str:
    """Return the page of error names."""
    rows = [(f"`{name}`", ERRORS[name], ", ".join(f"`{module}`" for module in modules) or "other peers and grapes")
            for name, modules in error_places().items()]  # fmt: skip
    return (
        f"# Errors\n\n{_MADE}\nAn error is a name for programs and a sentence for people. A service may answer with"
        " names of its own.\nHow a command ends: [exit codes](commands.md#exit-codes).\n\n"
        + _table(("name", "meaning", "arises in"), rows)
    )


# -- settings and limits ----------------------------------------------------------------------------------------------


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def notes(source: str) -> dict[str, str]:
    """Return the text that stands after each assignment, by the name assigned: `name`, or `Class.name` in a class."""
    found: dict[str, str] = {}
    tree = ast.parse(source)
    bodies = [("", tree.body), *((f"{node.name}.", node.body) for node in tree.body if isinstance(node, ast.ClassDef))]
    for prefix, body in bodies:
        for node, after in itertools.pairwise(body):
            text = _text(after.value) if isinstance(after, ast.Expr) else None
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and text:
                found[prefix + node.target.id] = inspect.cleandoc(text)
    return found


def _json_type(hint: Any) -> str:  # noqa: ANN401 - any annotation of a field
    origin = typing.get_origin(hint)
    if origin is tuple:
        return f"array of {_json_type(typing.get_args(hint)[0])}s"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", typing.Literal: "string"}
    return names.get(origin or hint, "object")


def _default(value: object) -> str:
    if dataclasses.is_dataclass(value):
        return "empty"
    if isinstance(value, tuple | Mapping):
        return "none" if not value else ", ".join(map(str, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def settings() -> str:
    """Return the page of settings."""
    said = notes((ROOT / "core/profile/fields.py").read_text())
    hints = typing.get_type_hints(Settings)
    rows: list[tuple[object, ...]] = [
        (f"`{each.name}`", _json_type(hints[each.name]), _default(getattr(Settings(), each.name)),
         said[f"Settings.{each.name}"])
        for each in dataclasses.fields(Settings)
    ]  # fmt: skip
    return (
        f"# Settings\n\n{_MADE}\nOne JSON file for each profile: `~/.config/grapevine/PROFILE.json` on Linux."
        " `grapevine settings` shows it and says\nwhere it is. The window's dialog *Settings* changes it. A member that"
        " this version does not know is kept.\n\n" + _table(("member", "type", "default", "meaning"), rows)
    )


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def rules() -> str:
    """Return the table of all bounds."""
    rows = [(rule.what, rule.per_host, rule.in_all, rule.kept, rule.when_full, f"`{rule.test}`") for rule in ALL_RULES]
    return _table(("what", "of one host", "in all", "for trusted callers", "when it is full", "test"), rows)


def limits() -> str:
    """Return the page of limits."""
    said = notes((ROOT / "core/limits/bounds.py").read_text())
    rows = [(f"`{name}`", _number(getattr(bounds, name)), text) for name, text in said.items()]
    return (
        f"# Limits\n\n{_MADE}\nWhat one peer takes, keeps and sends at most. *Trusted* callers proved a Peer ID that"
        " the owner trusts with something.\n\n" + rules()
        + "\n## The numbers of requests, with their reasons\n\nFrom `core/limits/bounds.py`.\n\n"
        + _table(("name", "value", "unit and reason"), rows)
    )  # fmt: skip


# -- tables within other pages ----------------------------------------------------------------------------------------


def rooms() -> str:
    """Return the table of core's packages: what each is for, and what it may import."""
    from tests.test_layers import ROOMS

    rows = []
    for room, known in ROOMS.items():
        docstring = ast.get_docstring(ast.parse((ROOT / room.replace(".", "/") / "__init__.py").read_text())) or ""
        others = ", ".join(f"`{name.removeprefix('core.')}`" for name in sorted(known)) or "nothing"
        rows.append((f"`{room.replace('.', '/')}`", docstring.split("\n\n")[0], others))
    return _table(("package", "what it is for", "may import, besides the values that everybody knows"), rows)


def between(text: str, mark: str, table: str) -> str:
    """Return a page with `table` between its two markers. Raises ValueError when they are not there once each."""
    begin, end = f"<!-- {mark}: made by `make docs` -->\n", f"<!-- end of {mark} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the page needs the lines {begin.strip()} and {end}, once each")
    head, _, rest = text.partition(begin)
    return f"{head}{begin}{table}{end}{rest.partition(end)[2]}"


def documents() -> dict[Path, str]:
    """Return what each page should be, by its path."""
    pages = {"commands": commands, "events": events, "errors": errors, "settings": settings, "limits": limits}
    found = {PAGES / f"{name}.md": make() for name, make in pages.items()}
    for page, mark, table in (("threat-model", "rules", rules), ("architecture", "rooms", rooms)):
        path = ROOT / "docs" / f"{page}.md"
        found[path] = between(path.read_text(), mark, table())
    return found


def main() -> None:
    """Write what has changed."""
    if engines() != PURE:
        sys.exit("compiled classes do not tell the types of their fields: set GRAPEVINE_ENGINES=python")
    PAGES.mkdir(exist_ok=True)
    for path, text in documents().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    main()
