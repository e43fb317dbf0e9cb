"""Peers that could be taken for somebody else: IDs that begin or end alike, and names that look alike. Pure functions.

A key whose ID begins with five characters of a friend's takes half a minute to find on one core. So no decision rests
on a part of an ID, and where a stranger's resembles that of a known peer the window says so.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final

from core.peer_id import PeerId
from core.trust.entries import KnownPeer

FIRST: Final = 3  # characters at the beginning that alarm: 15 bits, so 100 known peers cause 1 false alarm in 330
LAST: Final = 4  # at the end, where the last two have 6 bits together
# what eyes take for one another in an ID; base32 has neither 0, 1 nor 8
_ID_FORMS: Final = str.maketrans("QDLTZS6", "OOIIS5G", "-")
# letters of other scripts, and digits, that look like a Latin letter or are drawn the same in many fonts
_NAME_FORMS: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u043a\u043c\u0442\u0432\u043d"
    "\u03b1\u03bf\u03c1\u03bd\u03b9\u03ba\u03c5\u03c7\u03b5\u03c4\u03b7\u0131\u0261\u0269"
    "015|!$",
    "aeopcyxijshdqwkmtbh" "aopvikuxetnigi" "olslls",
)  # fmt: skip


def id_form(peer_id: PeerId) -> str:
    """Return an ID's characters as a hurried eye reads them."""
    return str(peer_id).translate(_ID_FORMS)


def name_form(name: str) -> str:
    """Return what a name looks like: no case, no accents, no spaces or marks, look-alike letters made one."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(each for each in plain.translate(_NAME_FORMS) if each.isalnum())
    return letters.replace("rn", "m").replace("vv", "w").replace("i", "l")


def same_looking(peer_id: PeerId, known: Sequence[KnownPeer]) -> KnownPeer | None:
    """Return the first known peer, another one, whose ID begins or ends alike."""
    form = id_form(peer_id)
    for peer in known:
        if peer.peer_id == peer_id:
            continue
        other = id_form(peer.peer_id)
        if other[:FIRST] == form[:FIRST] or other[-LAST:] == form[-LAST:]:
            return peer
    return None


def same_named(name: str, peer_id: PeerId | None, known: Sequence[KnownPeer]) -> KnownPeer | None:
    """Return the first known peer, other than `peer_id`, whose name looks like this one."""
    form = name_form(name)
    if not form:
        return None
    return next((peer for peer in known if peer.peer_id != peer_id and name_form(peer.name) == form), None)


def warning(peer_id: PeerId, known: Sequence[KnownPeer]) -> str:
    """Return a sentence for the owner when who asks could be taken for somebody known; else nothing.

    Nothing either for a peer that may call something: the owner has decided about that very key.
    """
    if any(peer.peer_id == peer_id and peer.opened and not peer.blocked for peer in known):
        return ""
    alike = same_looking(peer_id, known)
    if alike is None:
        return ""
    name = f"\u201c{alike.name}\u201d" if alike.name else f"peer {alike.peer_id.short}"
    return f"Careful: this ID looks like the one of {name}, but it is another peer. Compare all eight groups."
