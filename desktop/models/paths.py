"""A way to another peer in words: who is at its end, what is lost on it, and why it is as it is."""

from core.news.seen import PathRow
from desktop.models.table import Scene

NOT_KNOWN = "\N{EN DASH}"


def who(path: PathRow, scene: Scene) -> str:
    """Return what a person calls the peer at the other end: its name, or where it is."""
    return scene.name_of(path.peer_id) if path.peer_id is not None else str(path.address)


def lost(share: float | None) -> str:
    """Return a share of bytes that were lost: "0 %", "2.5 %"."""
    if share is None:
        return NOT_KNOWN
    return f"{share * 100:.0f} %" if share in (0, 1) else f"{share * 100:.1f} %"


def why(path: PathRow) -> str:
    """Return why a way is as it is, and what would make it better."""
    return f"{path.reason} {path.better}".rstrip()
