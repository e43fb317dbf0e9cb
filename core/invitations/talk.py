"""What inviter and joiner say to each other over a byte stream. Pure.

1. The joiner opens a stream for the reserved name `INVITATION`, with `{"k": verifier, "n": nonce}`, both in hex.
2. The inviter takes it with `{"n": nonce}`, whatever `k` is: a stranger does not learn which invitations there are.
3. The joiner writes `{"do": "look" | "join", "p": proof}` and ends its direction.
4. The inviter answers `{"called": ..., "services": [...]}` and ends, or resets the stream with an error name.
"""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from core.errors import RemoteError
from core.invitations.proof import NONCE_BYTES, PROOF_BYTES, VERIFIER_BYTES
from core.trust.entries import MAX_SERVICES, clean_name, is_service
from core.values import JsonValue

REFUSED: Final = "ERR_INVITATION"  # one answer for a wrong secret and for an invitation that is over
LATER: Final = "ERR_INVITATION_LATER"
LOOK: Final = "look"
JOIN: Final = "join"
SAID_MAX: Final = 1024  # bytes of the joiner's request
OFFER_MAX: Final = 64 * 1024  # bytes of the answer: 64 names of 128 characters


class Hello(NamedTuple):
    """Which invitation is meant, and the joiner's nonce."""

    verifier: bytes
    nonce: bytes


class Ask(NamedTuple):
    """What the joiner wants, and the proof that it may."""

    act: str
    proof: bytes


class Offer(NamedTuple):
    """What an inviter offers: how it calls itself, or "", and the names of its shares; both are its own words."""

    called: str
    services: tuple[str, ...]


def pack_hello(hello: Hello) -> dict[str, JsonValue]:
    """Return the details of the opening."""
    return {"k": hello.verifier.hex(), "n": hello.nonce.hex()}


def parse_hello(details: Mapping[str, JsonValue]) -> Hello:
    """Read the details of an opening. Raises RemoteError."""
    return Hello(_bytes(details, "k", VERIFIER_BYTES), _bytes(details, "n", NONCE_BYTES))


def pack_nonce(nonce: bytes) -> dict[str, JsonValue]:
    """Return what the inviter takes the stream with."""
    return {"n": nonce.hex()}


def parse_nonce(details: Mapping[str, JsonValue]) -> bytes:
    """Read it. Raises RemoteError."""
    return _bytes(details, "n", NONCE_BYTES)


def pack_ask(ask: Ask) -> bytes:
    """Return the joiner's request."""
    return json.dumps({"do": ask.act, "p": ask.proof.hex()}).encode()


def parse_ask(data: bytes) -> Ask:
    """Read it. Raises RemoteError."""
    members = _members(data)
    act = members.get("do")
    if act not in (LOOK, JOIN):
        raise RemoteError("a request about an invitation is to look or to join")
    return Ask(str(act), _bytes(members, "p", PROOF_BYTES))


def pack_offer(offer: Offer) -> bytes:
    """Return the inviter's answer."""
    return json.dumps({"called": offer.called, "services": list(offer.services)}, ensure_ascii=False).encode()


def parse_offer(data: bytes) -> Offer:
    """Read it. Raises RemoteError."""
    members = _members(data)
    called, services = members.get("called", ""), members.get("services")
    if not isinstance(called, str) or not isinstance(services, list) or len(services) > MAX_SERVICES:
        raise RemoteError("the inviter's answer cannot be read")
    names = tuple(each for each in services if isinstance(each, str) and is_service(each))
    return Offer(clean_name(called), names)


def _members(data: bytes) -> dict[str, JsonValue]:
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise RemoteError("what the other side says about an invitation is no JSON object")
    return members


def _bytes(members: Mapping[str, JsonValue], name: str, size: int) -> bytes:
    text = members.get(name)
    try:
        data = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        data = b""
    if len(data) != size:
        raise RemoteError(f"{name!r} of an invitation has {size} bytes in hexadecimal")
    return data
