"""Whether a record that somebody handed us is this peer's own, and says what is so now."""

import time
from collections.abc import Mapping
from typing import Final

from core.dht.items import Item, ItemRefused, mutable_target
from core.errors import RemoteError, Unreachable
from core.peer_id import PeerId
from core.values import JsonValue
from core.wire.peer_record import PeerRecord

SALT: Final = b"grapevine"  # BEP 44: one key may have several items; this one is its record
SKEW: Final = 300  # seconds that two clocks may differ; certificates are as often refused for less
MAX_LIFE: Final = 3600  # seconds; a record is renewed, not written for ever: who is silent for an hour is not there


FLOOR: Final = 1_704_067_200  # 2024-01-01: a clock that says less was never set


class RecordMissing(Unreachable):
    """Nobody holds a record of that peer."""

    name = "ERR_RECORD_MISSING"


class RecordWithdrawn(RecordMissing):
    """The peer itself says that it offers nothing now."""


class RecordExpired(RemoteError):
    """The record was this peer's once: its time is over, or a newer one is known."""

    name = "ERR_RECORD_EXPIRED"


class RecordForged(RemoteError):
    """What was found is not what this peer signed, or no record at all."""

    name = "ERR_RECORD_FORGED"


def record_hash(peer_id: PeerId) -> str:
    """Return the hash to get a peer's record by, 40 hex digits."""
    return mutable_target(peer_id.key, SALT).hex()


def check_item(peer_id: PeerId, found: Mapping[str, JsonValue]) -> Item:
    """Return the item in a grape's answer to a get, signed by this peer. Raises RecordForged.

    The grape is trusted with nothing: the key is the ID's own, whatever it says.
    """
    text, signature, sequence = found.get("v"), found.get("sig"), found.get("seq")
    if not isinstance(text, str) or not isinstance(signature, str) or type(sequence) is not int:
        raise RecordForged(f"what is stored for peer {peer_id.short} is not signed")
    try:
        item = Item(text.encode(), peer_id.key, bytes.fromhex(signature), sequence, SALT)
        item.check()
    except (ValueError, ItemRefused) as error:
        raise RecordForged(f"the record found is not signed by peer {peer_id.short}") from error
    return item


def check_found(peer_id: PeerId, found: Mapping[str, JsonValue], now: float) -> tuple[PeerRecord, int]:
    """Return the record in a grape's answer to a get, and its sequence number. Raises RecordForged, RecordExpired."""
    item = check_item(peer_id, found)
    try:
        record = PeerRecord.read(peer_id, item.value if isinstance(item.value, bytes) else b"")
    except RemoteError as error:
        raise RecordForged(f"the record of peer {peer_id.short} cannot be read: {error}") from error
    check_times(record, now)
    return record, item.sequence


def check_times(record: PeerRecord, now: float) -> None:
    """Raise RecordExpired unless `now` (Unix seconds) is within the record's time, give or take SKEW.

    A clock that says a time before this was written was never set, as on a board without a battery: nothing can be
    judged by it, and nothing is. The newest record that was seen is still the only one believed.
    """
    short = record.peer_id.short
    if min(now, record.issued) < FLOOR:
        return  # one of the clocks was never set: who answers there has to prove itself anyway
    if record.expires - record.issued > MAX_LIFE:
        raise RecordExpired(f"the record of peer {short} claims to hold for more than {MAX_LIFE // 60} minutes")
    if now - record.expires > SKEW:
        ago = (now - record.expires) / 60
        raise RecordExpired(
            f"the record of peer {short} expired {ago:,.0f} minutes ago by this computer's clock, which says "
            f"{_clock(now)}: the peer is not there any longer, or one of the two clocks is wrong"
        )
    if record.issued - now > SKEW:
        ahead = (record.issued - now) / 60
        raise RecordExpired(
            f"the record of peer {short} is {ahead:,.0f} minutes ahead of this computer's clock, which says "
            f"{_clock(now)}: one of the two clocks is wrong; set this one if that is not the time"
        )


def _clock(now: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
