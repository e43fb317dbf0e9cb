"""An item is kept only if its size and signature are right, and only over an older one; else ItemRefused with a code.
The store stays within its bound, and gives back what was put last.
"""

from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import MAX_VALUE_BYTES, Item, ItemRefused, sign_item
from core.dht.storage import ItemStore
from core.errors import RemoteError
from core.wire.bencoding import Bencoded, decode, encode
from tests.fuzz.inputs import Input, sized

WATCHED = ["core.dht.items", "core.dht.storage"]
MOST = 6
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
_OTHER = Random(1).randbytes(32)
SEEDS = [
    b"\0" + sized(b"5:value", b"", b"") + b"\1" + sized(b"3:new", b"salt", b"") + b"\0\3",
    b"\1" + sized(b"d1:ai1ee", b"salt", b"") + b"\0\3" + b"\5" + sized(b"1:b", b"salt", b"") + b"\0\4" + b"\0\3",
    b"\2" + sized(b"5:value", b"s" * 70, b"s" * 64) + b"\0\1",
    b"\3" + sized(b"le", b"", b"short") + b"\xff\xff",
]


def run(data: bytes) -> None:
    source, store, now = Input(data), ItemStore(MOST, 7200.0), 0.0
    newest: dict[bytes, int] = {}
    while source:
        item = made(source)
        try:
            store.put(item, now)
        except ItemRefused as refused:
            if refused.code not in (205, 206, 207, 301, 302):
                raise AssertionError("a code that BEP 44 does not have") from refused
        else:
            kept(store, item, newest, now)
        store.expire(now)
        now += source.byte() * 60.0
        if len(store) > MOST:
            raise AssertionError("more items than there may be")


def made(source: Input) -> Item:
    """Make an item: immutable, rightly signed, or with whatever stands for a signature."""
    kind = source.byte()
    value = bencoded(source.block())
    salt, signature = source.block(), source.block()
    if not kind & 3:
        return Item(value)
    sequence = source.number(1 << 16)
    cas = source.number(8) if kind & 4 else None
    if kind & 3 == 1:
        return sign_item(_KEY, value, sequence, salt, cas)
    key = _KEY.public_key().public_bytes_raw() if kind & 8 else _OTHER[: source.byte() % 40]
    return Item(value, key, signature, sequence, salt, cas)


def bencoded(data: bytes) -> Bencoded:
    """Return the value that this is, or the bytes as they are."""
    try:
        return decode(data)
    except RemoteError:
        return data


def kept(store: ItemStore, item: Item, newest: dict[bytes, int], now: float) -> None:
    """Check what was taken."""
    found = store.get(item.target(), now)
    if found is None or found.value != item.value or len(encode(item.value)) > MAX_VALUE_BYTES + 8:
        raise AssertionError("another value is kept, or one that is too large")
    if item.key is None:
        return
    if item.key != _KEY.public_key().public_bytes_raw():
        raise AssertionError("a forged item was kept")
    if len(store) < MOST and now < 7200 and item.sequence < newest.get(item.target(), 0):
        raise AssertionError("an older item took the place of a newer one")
    newest[item.target()] = item.sequence
