"""Why nobody answered, for the error of a command that waited in vain: what was told of each address meanwhile."""

from collections.abc import Sequence
from typing import Final

from core.errors import RequestTimeout
from core.limits.table import BoundedTable
from core.news.events import ErrorRaised, PeerEvent, PunchEnded, ReplyReceived
from core.values import Address

SHOWN: Final = 3  # addresses in the error, those heard of last; a line of a terminal or two each


class NoAnswer(RequestTimeout):
    """A command waited in vain. `sentence` says so; each of the `reasons`, which quote others, is a line below it."""

    def __init__(self, sentence: str, reasons: Sequence[str] = (), *, name: str | None = None) -> None:
        super().__init__("\n  ".join([sentence, *reasons]), name=name)
        self.sentence = sentence
        self.reasons = tuple(reasons)


class Reasons:
    """Listens to a peer's events, and keeps the last failure of each of the last few addresses."""

    def __init__(self) -> None:
        self._last: BoundedTable[Address | None, str] = BoundedTable(SHOWN)

    def __call__(self, event: PeerEvent) -> None:
        """Take an event."""
        match event:
            case PunchEnded(peer=peer, open=False, reason=reason):
                self._note(peer, f"{peer}: {reason}")
            case ErrorRaised(peer=peer, message=message):
                self._note(peer, message if peer is None or str(peer) in message else f"{peer}: {message}")
            case PunchEnded(peer=peer) | ReplyReceived(peer=peer):
                self._last.pop(peer, None)

    def _note(self, peer: Address | None, sentence: str) -> None:
        self._last[peer] = sentence

    def timeout(self, sentence: str) -> RequestTimeout:
        """Return the error that says so, and why as far as it is known."""
        return NoAnswer(sentence, list(self._last.values()))
