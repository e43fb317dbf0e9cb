"""Two programs of one profile change the settings at once: what each of them changed stays. Pure.

The window writes what it has in memory, and `grapevine shares` writes what it read. Either would undo the other.
"""

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any, Final

from core.profile.fields import Settings
from core.values import JsonValue

_LISTS: Final = frozenset({"shares", "uses", "sharing", "consuming"})  # of entries that are changed one by one


def merge(base: Settings, ours: Settings, theirs: Settings) -> Settings:
    """Return `theirs` with what `ours` has changed of `base`. What both changed is as in `ours`: it is newer."""
    fields: dict[str, Any] = {}
    for each in dataclasses.fields(Settings):
        before, wanted, found = (getattr(settings, each.name) for settings in (base, ours, theirs))
        if wanted in (before, found):
            continue
        if each.name in _LISTS:
            wanted = tuple(_merged(_keyed(before), _keyed(wanted), _keyed(found)).values())
        elif each.name == "audiences":
            wanted = _merged(before, wanted, found)
        fields[each.name] = wanted
    return dataclasses.replace(theirs, **fields)


def _merged(before: Mapping[Any, Any], wanted: Mapping[Any, Any], found: Mapping[Any, Any]) -> dict[Any, Any]:
    gone = before.keys() - wanted.keys()
    changed = {key: value for key, value in wanted.items() if key not in before or before[key] != value}
    return {key: value for key, value in {**found, **changed}.items() if key not in gone}


def _keyed(entries: tuple[JsonValue, ...]) -> dict[Hashable, JsonValue]:
    """Return entries by what names them; of several with one name each stays."""
    keyed: dict[Hashable, JsonValue] = {}
    for entry in entries:
        name = _name(entry)
        number = 0
        while (name, number) in keyed:
            number += 1
        keyed[name, number] = entry
    return keyed


def _name(entry: JsonValue) -> Hashable:
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict):
        return repr(entry)
    return tuple(str(entry.get(key)) for key in ("name", "peer_id", "service"))
