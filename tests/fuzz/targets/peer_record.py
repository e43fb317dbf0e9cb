"""A value that a peer signed is a record, which writes itself as the very same bytes, or RemoteError.
What fits into a record is read again, whatever somebody wants to say.
"""

from core.errors import RemoteError
from core.peer_id import PeerId
from core.values import Address
from core.wire.peer_record import MAX_TEXT, PeerRecord
from tests.fuzz.inputs import Input

WATCHED = ["core.wire.peer_record", "core.wire.bencoding", "core.wire.compact"]
_WHO = PeerId(bytes(range(32)))
_GOOD = PeerRecord(_WHO, ("fibonacci", "sensor"), (Address("192.0.2.7", 1337),), 1_700_000_000, 1_700_003_600)
SEEDS = [_GOOD.value(), PeerRecord(_WHO, (), (), 0, 0).value(), b"ZGU", b"\x01\x02services of any kind"]


def run(data: bytes) -> None:
    try:
        record = PeerRecord.read(_WHO, data)
    except RemoteError:
        pass
    else:
        if PeerRecord.read(_WHO, record.value()) != record or len(data) > MAX_TEXT:
            raise AssertionError(f"{record} is not what it reads back as")
    say(Input(data))


def say(source: Input) -> None:
    """Make a record of arbitrary names and places, as far as it fits."""
    names = [source.block().decode("utf-8", "replace") for _ in range(source.byte() % 40)]
    places = [
        Address(".".join(str(source.byte()) for _ in range(4)), source.number(65536)) for _ in range(source.byte() % 12)
    ]
    issued = source.number(1 << 16)
    record = PeerRecord.fitting(_WHO, names, places, issued, issued + source.byte())
    if PeerRecord.read(_WHO, record.value()) != record:
        raise AssertionError("what fitted was not read")
