"""What another peer says that it shares with us."""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from core.errors import RefusedError, RemoteError
from core.peer_id import PeerId
from core.tunnel.stream import ByteStream
from core.wire.stream_opening import NAME_MAX

LIST_MAX: Final = 256 * 1024  # bytes of the answer: 64 services of 4 KB
OFFERS_MAX: Final = 256
_DESCRIPTION_MAX: Final = 200  # characters that are kept; it is the other side's text


class OfferRow(NamedTuple):
    """A service of another peer; all three are its own words."""

    name: str
    kind: str
    description: str


async def read_offers(stream: ByteStream) -> tuple[OfferRow, ...]:
    """Read the answer to a stream that asks for the list. Raises RemoteError for one that is none."""
    said = b""
    while data := await stream.read():
        said += data
        if len(said) > LIST_MAX:
            raise RemoteError("the list of what the peer shares is too long")
    try:
        rows = json.loads(said)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list):
        raise RemoteError("the peer's list of what it shares cannot be read")
    return tuple(row for each in rows[:OFFERS_MAX] if (row := _row(each)) is not None)


def _row(value: object) -> OfferRow | None:
    if not isinstance(value, dict):
        return None
    name, kind, description = (value.get(key) for key in ("name", "kind", "description"))
    if (
        not isinstance(name, str)
        or not isinstance(kind, str)
        or not name
        or len(name.encode(errors="replace")) > NAME_MAX
    ):
        return None
    return OfferRow(name, kind[:32], description[:_DESCRIPTION_MAX] if isinstance(description, str) else "")


def kind_among(offers: Sequence[OfferRow], service: str, peer_id: PeerId) -> str:
    """Return the kind of a service that a peer offers. Raises RefusedError when it is not among them."""
    for offer in offers:
        if offer.name == service:
            return offer.kind
    known = ", ".join(offer.name for offer in offers) or "nothing"
    sentence = f"peer {peer_id.short} shares no {service[:80]!r} with us; it shares {known}"
    raise RefusedError(sentence, name="ERR_SERVICE_UNKNOWN")
