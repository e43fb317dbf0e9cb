"""What a peer says of itself under its ID: the value of a BEP 44 mutable item.

    value     base64url (RFC 4648 section 5), without padding, of
    bencode   {"a": addresses, 6 bytes each (BEP 5), "a6": IPv6 addresses, 18 bytes each (BEP 32), "e": expires,
               "i": issued, "s": [service, ...], "v": 1}

Text, because a Node grape's HTTP API shows values as text and would spoil other bytes. Times are Unix seconds. Services
are sorted; addresses stand in the order in which they are to be tried, of each kind: IPv6 is tried beside IPv4. "a6"
is only there when there are some; who does not know it ignores it. Keys that version 1 does not know are ignored,
so that it can be added to; what a reader must not misunderstand gets another version, which is refused. Both layers are
canonical: one record of these fields has one value. Its author is not part of it: the item is found and signed by
that peer's key.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Final

from core.errors import RemoteError
from core.frozen import dataclass
from core.peer_id import PeerId
from core.scope import is_six, only_four, usable
from core.values import Address
from core.wire.bencoding import Bencoded, decode, encode
from core.wire.compact import PEER_6_BYTES, PEER_BYTES, pack_peer, pack_peer_6, unpack_peer, unpack_peer_6

VERSION: Final = 1
MAX_BYTES: Final = 1000  # of the bencoded value, BEP 44
MAX_TEXT: Final = MAX_BYTES - len(b"1000:")  # of its text; base64 leaves 746 bytes for the fields
MAX_ADDRESSES: Final = 8  # each costs a caller some packets to a place that only this record names
MAX_SIX: Final = 4  # IPv6 addresses besides; of one machine, one or two are of use
MAX_SERVICES: Final = 32
MAX_NAME: Final = 64  # bytes of UTF-8; names of services have a dozen
MAX_TIME: Final = 1 << 40  # seconds: some 34,000 years from now


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """Where a peer is and what it offers, `issued` to `expires` (Unix seconds). No services: it says goodbye."""

    peer_id: PeerId
    services: tuple[str, ...]
    addresses: tuple[Address, ...]
    issued: int
    expires: int

    @classmethod
    def fitting(
        cls, peer_id: PeerId, services: Iterable[str], addresses: Iterable[Address], issued: int, expires: int
    ) -> "PeerRecord":
        """Make a record of as much as fits: what cannot be said at all is left out, then the last names and places."""
        names = sorted({name for name in services if _speakable(name)})[:MAX_SERVICES]
        known = list(dict.fromkeys(address for address in addresses if _reachable(address)))
        six = [each for each in known if is_six(each.host)][:MAX_SIX]
        places = only_four(known)[:MAX_ADDRESSES] + six
        while True:
            record = cls(peer_id, tuple(names), tuple(places), issued, expires)
            if not names or len(record._text()) <= MAX_TEXT:
                return record
            names.pop()

    def value(self) -> bytes:
        """Return the item's value. Raises ValueError for a record that no reader would take."""
        text = self._text()
        try:
            same = PeerRecord.read(self.peer_id, text) == self
        except RemoteError as error:
            raise ValueError(str(error)) from None
        if not same:
            raise ValueError("the record is not in canonical form: its services are sorted, each is named once")
        return text

    def _text(self) -> bytes:
        four, six = only_four(self.addresses), [each for each in self.addresses if is_six(each.host)]
        kinds: dict[bytes, Bencoded] = {b"a": b"".join(map(pack_peer, four))}
        if six:
            kinds[b"a6"] = b"".join(map(pack_peer_6, six))
        fields: Bencoded = {
            **kinds,
            b"e": self.expires,
            b"i": self.issued,
            b"s": [name.encode() for name in self.services],
            b"v": VERSION,
        }
        return base64.urlsafe_b64encode(encode(fields)).rstrip(b"=")

    @classmethod
    def read(cls, peer_id: PeerId, value: bytes) -> "PeerRecord":
        """Read a value that `peer_id` is known to have signed. Raises RemoteError that says what is wrong with it."""
        if len(value) > MAX_TEXT:
            raise RemoteError(f"a record has at most {MAX_TEXT} characters, not {len(value)}")
        fields = decode(_unwrap(value))
        if not isinstance(fields, dict):
            raise RemoteError("a record is a dictionary")
        version = fields.get(b"v")
        if version != VERSION:
            raise RemoteError(f"a record of version {version!r:.20} cannot be read here, only of version {VERSION}")
        issued, expires = _time(fields.get(b"i")), _time(fields.get(b"e"))
        if issued > expires:
            raise RemoteError("a record expires after it was issued")
        places = _addresses(fields.get(b"a")) + _six(fields.get(b"a6", b""))
        return cls(peer_id, _services(fields.get(b"s")), places, issued, expires)


def _unwrap(value: bytes) -> bytes:
    try:
        data = base64.b64decode(value + b"=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise RemoteError("a record is base64url text") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=") != value:  # `+`, padding, or bits beyond the last byte
        raise RemoteError("a record is canonical base64url text")
    return data


def _time(field: object) -> int:
    if not isinstance(field, int) or not 0 <= field < MAX_TIME:
        raise RemoteError("a record's times are Unix seconds")
    return field


def _services(field: object) -> tuple[str, ...]:
    if not isinstance(field, list) or len(field) > MAX_SERVICES:
        raise RemoteError(f"a record names up to {MAX_SERVICES} services")
    names = [_name(entry) for entry in field]
    if names != sorted(set(names)):
        raise RemoteError("a record names its services in order, each once")
    return tuple(names)


def _name(entry: object) -> str:
    try:
        name = entry.decode() if isinstance(entry, bytes) else ""
    except UnicodeDecodeError:
        name = ""
    if not _speakable(name):
        raise RemoteError(f"a service's name is 1 to {MAX_NAME} bytes of printable UTF-8")
    return name


def _speakable(name: str) -> bool:
    return name.isprintable() and 0 < len(name.encode("utf-8", "replace")) <= MAX_NAME


def _addresses(field: object) -> tuple[Address, ...]:
    if not isinstance(field, bytes) or len(field) % PEER_BYTES or len(field) > MAX_ADDRESSES * PEER_BYTES:
        raise RemoteError(f"a record's addresses are up to {MAX_ADDRESSES} times {PEER_BYTES} bytes")
    found = [unpack_peer(field[at : at + PEER_BYTES]) for at in range(0, len(field), PEER_BYTES)]
    if not _all_different(found) or not all(_reachable(address) for address in found):
        raise RemoteError("a record's addresses are unicast, with a port, each once")
    return tuple(found)


def _six(field: object) -> tuple[Address, ...]:
    size = PEER_6_BYTES
    if not isinstance(field, bytes) or len(field) % size or len(field) > MAX_SIX * size:
        raise RemoteError(f"a record's IPv6 addresses are up to {MAX_SIX} times {size} bytes")
    found = [unpack_peer_6(field[at : at + size]) for at in range(0, len(field), size)]
    if not _all_different(found) or not all(is_six(each.host) and _reachable(each) for each in found):
        raise RemoteError("a record's IPv6 addresses are unicast, with a port, each once")
    return tuple(found)


def _all_different(found: Sequence[Address]) -> bool:
    return len(set(found)) == len(found)


def _reachable(address: Address) -> bool:
    """Tell whether anybody could be there: an IPv4 unicast address outside of 0/8, or an IPv6 one, and a port."""
    if is_six(address.host):
        return usable(address) and "%" not in address.host
    try:
        first = pack_peer(address)[0]
    except ValueError:
        return False
    return 0 < first < 224 and address.port > 0  # 224/4 is multicast, 240/4 reserved, 255.255.255.255 everybody
