"""A clock moved by hand, and a grape that keeps mutable items by the rules of BEP 44."""

from collections.abc import Callable

from core.dht.items import Item, signed_bytes
from core.dht.storage import ItemStore
from core.directory.records.check import SALT
from core.errors import LookupEmpty, PeerError, RefusedError
from core.identity.identity import Identity
from core.values import Address, JsonValue
from core.wire.peer_record import PeerRecord

START = 1_800_000_000.0  # Unix seconds
HERE = Address("192.0.2.1", 4000)


class Clock:
    """Unix and monotone seconds at once."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class FakeStore:
    """A grape. `error` makes every call fail; `puts` are the sequence numbers put, refused ones too."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.items = ItemStore(100, 7200.0)
        self.error: PeerError | None = None
        self.puts: list[int] = []
        self.gets = 0

    async def put(self, value: JsonValue, *, key: bytes, signature: bytes, sequence: int, salt: bytes = b"") -> str:
        self.puts.append(sequence)
        if self.error is not None:
            raise self.error
        assert isinstance(value, str)
        item = Item(value.encode(), key, signature, sequence, salt)
        item.check()
        conflict = self.items.conflict(item, self.clock())
        if conflict is not None:
            raise RefusedError(str(conflict))
        self.items.put(item, self.clock())
        return item.target().hex()

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        self.gets += 1
        if self.error is not None:
            raise self.error
        item = self.items.get(bytes.fromhex(hash), self.clock())
        if item is None or item.salt != salt or item.key is None:
            raise LookupEmpty("nobody has it")
        assert isinstance(item.value, bytes)
        return {"v": item.value.decode(), "k": item.key.hex(), "sig": item.signature.hex(), "seq": item.sequence}


def answer(
    identity: Identity, record: PeerRecord, sequence: int, *, salt: bytes = SALT, value: bytes | None = None
) -> dict[str, JsonValue]:
    """Return a get's answer with this record in it, signed by `identity`."""
    text = record.value() if value is None else value
    signature = identity.sign(signed_bytes(text, sequence, salt))
    return {"v": text.decode(), "k": identity.peer_id.key.hex(), "sig": signature.hex(), "seq": sequence}


def record_of(
    identity: Identity, *, at: float = START, life: int = 900, services: tuple[str, ...] = ("echo",)
) -> PeerRecord:
    """Return a record issued at `at`."""
    return PeerRecord(identity.peer_id, services, (HERE,), int(at), int(at) + life)
