"""One attached peer and the tasks that act on it; they end when it is detached."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.aio.tasks import TaskSet
from core.errors import PeerError

if TYPE_CHECKING:
    from core.peer import Peer  # imported after the first paint: it brings aiohttp along

NOT_OPEN = "The peer is not open yet. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Session:
    """What the parts of the bridge act on while a peer is attached."""

    peer: "Peer"
    tasks: TaskSet


def sentence(error: PeerError) -> str:
    """Return an error as a sentence for the window."""
    text = str(error).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."
