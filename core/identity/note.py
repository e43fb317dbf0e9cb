"""The note beside the settings: the Peer ID of a profile's key, and where the key is kept. It holds no secret.

It is there so that a keyring that is locked today is not taken for one that is empty. While a key is being replaced it
names the new one as well, so that whatever breaks in between, the key that is found is one of the two.
"""

import enum
import json
from typing import Final

from core.frozen import frozen
from core.peer_id import PeerId

MAX_NOTE: Final = 4096  # bytes; one has 200
SCHEMA: Final = 1


class Kept(enum.Enum):
    """Where a key is."""

    KEYRING = "keyring"
    FILE = "file"


@frozen
class Place:
    """The peer that a key belongs to, and where the key is."""

    peer_id: PeerId
    kept: Kept


@frozen
class Note:
    """The key that there is and, while it is being replaced, the one that will be.

    `provisional`: it is in a file only because the keyring did not answer; it moves there when the keyring does.
    """

    now: Place
    next: Place | None = None
    provisional: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        """Where to look, in this order."""
        return (self.now,) if self.next is None else (self.now, self.next)

    def dump(self) -> bytes:
        """Return the document."""
        fields: dict[str, object] = {"schema": SCHEMA, **_row(self.now)}
        if self.provisional:
            fields["provisional"] = True
        if self.next is not None:
            fields["next"] = _row(self.next)
        return (json.dumps(fields, indent=2) + "\n").encode()

    @classmethod
    def load(cls, data: bytes) -> "Note":
        """Read a document. Raises ValueError, with what is wrong."""
        if len(data) > MAX_NOTE:
            raise ValueError("it is far too large")
        try:
            fields = json.loads(data)
            following = fields.get("next")
            return cls(
                _place(fields), None if following is None else _place(following), fields.get("provisional") is True
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is not what it should be: {error!r:.100}") from None


def _row(place: Place) -> dict[str, object]:
    return {"peer_id": str(place.peer_id), "kept": place.kept.value}


def _place(row: dict[str, object]) -> Place:
    return Place(PeerId.parse(str(row["peer_id"])), Kept(row["kept"]))
