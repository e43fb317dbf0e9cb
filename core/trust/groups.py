"""Names of groups of people: what a group may be called, and which one a text means."""

from collections.abc import Iterable
from typing import Final

from core.errors import LocalError
from core.trust.entries import MAX_GROUP, Group, KnownPeer, clean_name

MARK: Final = "@"  # before a group's name where a person could be meant as well
BAD: Final = "ERR_GROUP"
_NOT_IN_NAMES: Final = "/,@"  # a service, a list, the mark


def group_form(text: str) -> str:
    """Return a group's name as it is kept; "" for a text that cannot be one."""
    name = clean_name(text.strip().removeprefix(MARK))
    if len(name) > MAX_GROUP or any(each in name for each in _NOT_IN_NAMES) or name[:1] in ("+", "-"):
        return ""
    return name


def same_group(name: str, groups: Iterable[str]) -> str | None:
    """Return the group that has this name, in capitals or not."""
    return next((each for each in groups if each.casefold() == name.casefold()), None)


def new_group(text: str, peers: Iterable[KnownPeer]) -> str:
    """Return the name for a new group. Raises LocalError, in words, for one that it cannot have."""
    name = group_form(text)
    if not name:
        raise LocalError(
            f"{text[: 2 * MAX_GROUP]!r} is no name for a group: use 1 to {MAX_GROUP} characters, none of / , @",
            name=BAD,
        )
    if any(peer.name.casefold() == name.casefold() for peer in peers):
        raise LocalError(f"{name!r} is somebody that you know: give the group another name", name=BAD)
    return name


def find_group(text: str, groups: Iterable[Group]) -> Group:
    """Return the group that a text means. Raises LocalError, with the groups that there are."""
    held = {each.name: each for each in groups}
    found = same_group(group_form(text), held)
    if found is None:
        known = ", ".join(held) or "none"
        raise LocalError(
            f"there is no group {text[: 2 * MAX_GROUP]!r}; your groups: {known}. "
            "'grapevine people group NAME + PEER' makes one",
            name=BAD,
        )
    return held[found]
