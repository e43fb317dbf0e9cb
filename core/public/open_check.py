"""Whether who is listed as an open peer is one: it proves a Peer ID, answers a challenge, and hands a letter on.

We connect to it without being met, so it is reached from outside, by us at least. The letter goes from us to us, under
a key that nobody has seen before: it has to come back whole, while we wait for it, with the address that we come from.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from core.dht.items import sign_item
from core.errors import PeerError, RemoteError
from core.open_peers.keys import shard_of
from core.peer_id import PeerId
from core.public.open_visit import Answer, Ask
from core.values import Address
from core.wire.open_message import (
    NONCE_BYTES,
    OpenItem,
    Watched,
    hello,
    leave,
    parse_hello,
    parse_left,
    parse_watched,
    proof,
    watch,
)

PATIENCE: Final = 3.0  # seconds for one answer; connecting and the handshake take five ways
WAIT: Final = 4.0  # seconds in which our letter has to come back
LETTER: Final = 316  # bytes, as all letters have

RandBytes = Callable[[int], bytes]


class Liar(RemoteError):
    """It is no open peer, or does not do what one does."""


async def check(ask: Ask, address: Address, randbytes: RandBytes, shards: frozenset[int] | None = None) -> PeerId:
    """Return the Peer ID of the open peer at an address. Raises Liar; any other PeerError: it is silent, or busy.

    `shards`: in the lists of which it was found, if that is known.
    """
    nonce = randbytes(NONCE_BYTES)
    answer = await ask(address, hello(nonce), PATIENCE, None)
    try:
        said, you = parse_hello(answer.data)
    except RemoteError as error:
        raise Liar(str(error)) from None
    peer_id = answer.peer_id
    if peer_id is None or said != proof(nonce, peer_id.key):
        raise Liar(f"{address} proves no Peer ID")
    if shards is not None and shard_of(peer_id.key) not in shards:
        raise Liar(f"{address} is listed where it does not belong")
    await _hands_on(ask, address, peer_id, randbytes, you)
    return peer_id


async def _hands_on(ask: Ask, address: Address, peer_id: PeerId, randbytes: RandBytes, you: Address | None) -> None:
    """Leave a letter, and wait for it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    signed = sign_item(Ed25519PrivateKey.from_private_bytes(randbytes(32)), randbytes(LETTER), 1)
    assert signed.key is not None
    assert isinstance(signed.value, bytes)
    letter = OpenItem(signed.key, signed.value, signed.signature, 1)
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(ask, address, letter.key), name=f"wait for our letter at {address}")
            left = await ask(address, leave([letter], ring=True), PATIENCE, None)
            parse_left(left.data)
    except ExceptionGroup as failed:
        errors = [each for each in failed.exceptions if isinstance(each, PeerError)]
        if len(errors) < len(failed.exceptions):
            raise
        raise errors[0] from None
    answer = watching.result()
    found = _watched(answer)
    if answer.peer_id != peer_id or left.peer_id != peer_id:
        raise Liar(f"{address} is another peer with each answer")
    back = found.items[0] if len(found.items) == 1 else None
    if back is None or (back.key, back.value, back.signature) != (letter.key, letter.value, letter.signature):
        raise Liar(f"{address} does not hand letters on")
    if back.seen != you or not back.rung:
        raise Liar(f"{address} does not say where letters come from")


async def _watch(ask: Ask, address: Address, key: bytes) -> Answer:
    return await ask(address, watch([key], WAIT, 0), WAIT + PATIENCE, None)


def _watched(answer: Answer) -> Watched:
    try:
        return parse_watched(answer.data)
    except RemoteError as error:
        raise Liar(str(error)) from None
