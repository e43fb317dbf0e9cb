"""Identities, and two sessions joined by memory."""

import contextlib
from collections.abc import Callable

from OpenSSL import SSL

from core.identity.identity import Identity
from core.peer_id import PeerId
from core.secure.contexts import Contexts
from core.secure.frames import header
from core.secure.session import TlsSession
from core.values import Address

ANNA, BERT, MALLORY = (Identity.from_secret(bytes([number]) * 32) for number in (1, 2, 3))
THERE = Address("203.0.113.9", 1337)  # where Bert is


def whole(data: bytes) -> list[bytes]:
    """Leave what one side said in one piece."""
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    """Let what one side said arrive a byte at a time."""
    return [data[at : at + 1] for at in range(len(data))]


def seal_message(session: TlsSession, data: bytes) -> bytes:
    """Encrypt a whole message that is not large."""
    return session.seal(header(len(data)), data)


class Pair:
    """A client's and a server's session. `split` cuts what travels; `tamper(from_client, data)` may change it."""

    def __init__(
        self,
        client: Contexts | None = None,
        server: Contexts | None = None,
        *,
        expected: PeerId | None = None,
        split: Callable[[bytes], list[bytes]] = whole,
        tamper: Callable[[bool, bytes], bytes] = lambda from_client, data: data,
    ) -> None:
        self.contexts = client or Contexts(ANNA)
        self.expected = expected
        self.client = self.contexts.client(THERE, expected)
        self.server = (server or Contexts(BERT)).server()
        self.split = split
        self.tamper = tamper
        self.to_client: list[bytes] = []  # pieces of messages that came out
        self.to_server: list[bytes] = []

    def run(self) -> "Pair":
        """Carry everything both ways until nobody says anything more."""
        while self.carry(True, self.client.outgoing()) | self.carry(False, self.server.outgoing()):
            pass
        return self

    def carry(self, from_client: bool, data: bytes) -> bool:
        """Carry this; tell whether there was anything."""
        session, out = (self.server, self.to_server) if from_client else (self.client, self.to_client)
        for piece in self.split(self.tamper(from_client, data)):
            out += session.feed(piece)
        return bool(data)

    def say(self, from_client: bool, data: bytes) -> None:
        """Send a message."""
        self.carry(from_client, seal_message(self.client if from_client else self.server, data))

    def keep_ticket(self) -> None:
        """Let the server say a word, since its ticket comes before that, keep it, and say goodbye."""
        self.say(False, b"x")
        self.contexts.keep(THERE, self.expected, self.client)
        self.client.close()  # OpenSSL takes up no session that just broke off


def foreign(side: TlsSession, other: SSL.Connection, split: Callable[[bytes], list[bytes]] = whole) -> None:
    """Join a session of ours with a bare OpenSSL connection, for as long as either says something."""
    busy = True
    while busy:
        said = side.outgoing()
        if said:
            other.bio_write(said)
        with contextlib.suppress(SSL.Error):
            other.do_handshake()
        answer = b""
        with contextlib.suppress(SSL.WantReadError):
            answer = other.bio_read(1 << 16)
        for piece in split(answer):
            side.feed(piece)
        busy = bool(said or answer)
