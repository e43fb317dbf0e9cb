"""What peers and a broker say to one another, as JSON values in RPC messages (PROTOCOL section 7).

A peer registers with `{"service": "fibonacci_worker", "server": true}`; the answer is
`{"fibonacci_worker": {"<md5 of an entry>": {"service", "server", "address", "port"}, ...}}`.

Between ours a registration may also say how long the answer may wait for news (`wait`, seconds) and which news it has
(`seen`); the answer then has one more member under the empty name, which no service can have:
`{"": {"you": "192.0.2.7:4000", "seen": 3}}`. With `local`, "192.168.1.7:4000", it says where it is at home, for those
that the broker sees at the same host. A peer says these only to a broker that has proven to be one of ours, over TLS.

With `mail`, `{"PEER-ID": "text"}`, it leaves a text for each of some others, which takes the place of the one before.
Those that say `mail`, if only `{}`, are shown to one another with their Peer ID as `id`, and find what was left for
them in the answer's empty member: `{"": {"you", "seen", "mail": {"PEER-ID": "text"}}}`. The texts are sealed for them.

With `away`, 0.04, it says its round trip to the broker in seconds. A broker of ours shows that as `away` in its entry,
to a peer of ours and only while it has been told of that peer, or is at this moment: so the reader knows when.
"""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

from core.errors import PayloadError, RemoteError
from core.frozen import dataclass
from core.peer_id import PeerId
from core.values import Address, JsonValue, canonical

BROKER_SERVICE: Final = "fibo_broker"  # the name under which brokers are announced (PROTOCOL section 7)
SERVICE_MAX: Final = 128  # bytes of UTF-8; the demo's names have 16 and 18
# Seconds that an answer may wait for news. Only ours ask for it, and give the broker more time than that; what they
# hear later is a change of their own address, and keepalives bring that within 15 s.
WAIT_MAX: Final = 50.0
LONG: Final = 10.0  # seconds; an answer that may take longer needs keepalives meanwhile, and nothing else
MEMBERS_MAX: Final = 16  # of a registration; two are needed, five are known
LISTED_MAX: Final = 64  # entries that are taken from an answer; a broker of ours sends as many at most
EXAMINED_MAX: Final = 1024  # entries that are looked at for them; the rest of a longer answer is not read
MAIL_MAX: Final = 16  # texts in one registration, or answer
AWAY_MAX: Final = 5.0  # seconds; a round trip that is longer is none
MAIL_BYTES: Final = 256  # characters of one; what a ladder says has 120
_ABOUT_US: Final = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """`server`: it offers the service, or else wants it. `wait` None: a peer that knows only PROTOCOL."""

    service: str
    server: bool
    wait: float | None = None  # seconds
    seen: int | None = None
    local: Address | None = None  # whether it is one of a home, the broker judges
    mail: Mapping[PeerId, str] | None = None  # None: it is of no ladder, and its Peer ID is not shown
    away: float | None = None  # seconds; its round trip to the broker


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry as a broker shows it."""

    service: str
    server: bool
    address: Address
    peer_id: PeerId | None = None  # shown to those of a ladder
    away: float | None = None  # seconds; its round trip to the broker, if it has heard of the reader by now


@dataclass(frozen=True, slots=True)
class Listing:
    """What a broker answered. `ignored` entries made no sense. `you`, `seen`: None from a broker that is not ours."""

    entries: tuple[Listed, ...]
    ignored: int = 0
    you: Address | None = None
    seen: int | None = None
    mail: Mapping[PeerId, str] = field(default_factory=dict)


def registration_document(registration: Registration) -> dict[str, JsonValue]:
    """Return what is sent to a broker."""
    document: dict[str, JsonValue] = {"service": registration.service, "server": registration.server}
    if registration.wait is not None:
        document["wait"] = registration.wait
        if registration.seen is not None:
            document["seen"] = registration.seen
        if registration.local is not None:
            document["local"] = str(registration.local)
        if registration.mail is not None:
            document["mail"] = {str(to): text for to, text in registration.mail.items()}
        if registration.away is not None:
            document["away"] = round(registration.away, 3)
    return document


def parse_registration(payload: JsonValue) -> Registration:
    """Read a registration. Members that nobody knows are ignored. Raises PayloadError that says what is wrong."""
    if not isinstance(payload, dict) or len(payload) > MEMBERS_MAX:
        raise PayloadError('a registration is an object like {"service": "fibonacci_worker", "server": true}')
    server = payload.get("server")
    if not isinstance(server, bool):
        raise PayloadError("'server' must be true (offers the service) or false (wants it)")
    service, wait = _service(payload.get("service")), _wait(payload.get("wait"))
    mail = None if wait is None or "mail" not in payload else _mail(payload["mail"])
    away = _away(payload.get("away"))
    return Registration(service, server, wait, _seen(payload), _address(payload.get("local")), mail, away)


def looks_like_registration(payload: JsonValue) -> bool:
    """Say whether somebody who called us by our address means the broker."""
    return isinstance(payload, dict) and "service" in payload and isinstance(payload.get("server"), bool)


def entry_document(listed: Listed) -> dict[str, JsonValue]:
    """Return an entry as it is shown."""
    host, port = listed.address
    return {"service": listed.service, "server": listed.server, "address": host, "port": port}


def entry_key(listed: Listed) -> str:
    """Return the name of an entry in a listing: the MD5 of its JSON, as 32 hex digits. It proves nothing."""
    text = json.dumps(entry_document(listed), separators=(",", ":"), ensure_ascii=False)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def listing_document(
    service: str,
    entries: Sequence[Listed],
    *,
    limit: int,
    you: Address | None = None,
    seen: int = 0,
    mail: Mapping[PeerId, str] | None = None,
) -> dict[str, JsonValue]:
    """Return an answer: the first entries, as many as fit `limit` bytes of JSON. With `you` what only ours read."""
    shown: dict[str, JsonValue] = {}
    document: dict[str, JsonValue] = {service: shown}
    if you is not None:
        left: dict[str, JsonValue] = {str(sender): text for sender, text in (mail or {}).items()}
        document[_ABOUT_US] = {"you": str(you), "seen": seen, **({"mail": left} if left else {})}
    size = len(json.dumps(document))
    for listed in entries[:LISTED_MAX]:
        key, entry = entry_key(listed), entry_document(listed)
        if listed.peer_id is not None:
            entry["id"] = str(listed.peer_id)
        if listed.away is not None:
            entry["away"] = listed.away
        size += len(json.dumps({key: entry}))
        if size > limit:
            break
        shown[key] = entry
    return document


def parse_listing(data: JsonValue, service: str) -> Listing:
    """Read an answer about a service. Entries that make no sense are left out. Raises RemoteError for no listing."""
    if not isinstance(data, dict):
        raise RemoteError("the broker answered with something that is no listing")
    shown = data.get(service, {})
    if not isinstance(shown, dict):
        raise RemoteError("the broker answered with something that is no listing")
    entries: dict[Listed, None] = {}
    ignored = max(0, len(shown) - EXAMINED_MAX)
    for index, entry in enumerate(shown.values()):
        if index >= EXAMINED_MAX or len(entries) >= LISTED_MAX:
            ignored += min(len(shown), EXAMINED_MAX) - index
            break
        listed = _listed(entry, service)
        if listed is None:
            ignored += 1
        else:
            entries[listed] = None
    about = data.get(_ABOUT_US)
    you, seen = _about_us(about)
    mail = _mail(about.get("mail")) if isinstance(about, dict) else {}
    return Listing(tuple(entries), ignored, you, seen, mail)


def _service(value: JsonValue) -> str:
    if not isinstance(value, str) or not value.isprintable() or not value.strip():
        raise PayloadError("'service' must be the name of a service, as in fibonacci_worker")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise PayloadError("'service' must be text that can be written as UTF-8") from None
    if size > SERVICE_MAX:
        raise PayloadError(f"'service' has {size} bytes; at most {SERVICE_MAX} are taken")
    return value


def _wait(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:  # NaN is not
        return None
    return float(min(value, WAIT_MAX))  # an int may be too large for a float


def _seen(payload: dict[str, JsonValue]) -> int | None:
    seen = payload.get("seen")
    return seen if isinstance(seen, int) and not isinstance(seen, bool) else None


def _address(value: JsonValue) -> Address | None:
    try:
        return Address.parse(value) if isinstance(value, str) and len(value) < 64 else None
    except ValueError:
        return None


def _listed(entry: JsonValue, service: str) -> Listed | None:
    if not isinstance(entry, dict):
        return None
    host, port, server = entry.get("address"), entry.get("port"), entry.get("server")
    if entry.get("service", service) != service or not isinstance(server, bool) or not isinstance(host, str):
        return None
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536 or len(host) > 64:
        return None
    try:
        address = Address(canonical(host), port)
    except ValueError:
        return None
    return Listed(service, server, address, _peer_id(entry.get("id")), _away(entry.get("away")))


def _away(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= AWAY_MAX:  # NaN is not
        return None
    return float(value)


def _peer_id(value: JsonValue) -> PeerId | None:
    try:
        return PeerId.parse(value) if isinstance(value, str) and len(value) < 128 else None
    except ValueError:
        return None


def _mail(value: JsonValue) -> dict[PeerId, str]:
    """Read texts by Peer ID; what makes no sense, or is too much, is left out."""
    found: dict[PeerId, str] = {}
    for name, text in itertools.islice(value.items() if isinstance(value, dict) else (), MAIL_MAX):
        peer_id = _peer_id(name)
        if peer_id is not None and isinstance(text, str) and len(text) <= MAIL_BYTES and text.isascii():
            found[peer_id] = text
    return found


def _about_us(value: JsonValue) -> tuple[Address | None, int | None]:
    if not isinstance(value, dict):
        return None, None
    you, seen = _address(value.get("you")), value.get("seen")
    return you, seen if isinstance(seen, int) and not isinstance(seen, bool) else None
