"""How long a first reply takes at a known address, in round trips of a simulated network: uTP, TLS, request."""

import pytest

from core.secure.contexts import Contexts
from core.secure.session import TlsSession
from core.utp.connection import Connection
from core.utp.events import Connected, Incoming, Readable, UtpEvent
from tests.secure.sides import ANNA, BERT, THERE, seal_message
from tests.utp.pair import Link, Pair, Side

DELAY = 0.1  # seconds, one way
REQUEST, REPLY = b'["1","fibonacci",{"length":10}]', b'["1",null,[0,1,1,2,3,5,8,13,21,34]]'


class Call:
    """Anna calls Bert over a pair of uTP engines, and asks as soon as she may."""

    def __init__(self, anna: Contexts, bert: Contexts) -> None:
        self.pair = Pair(link=Link(delay=DELAY))
        self.pair.on_event = self._on_event
        self.client = anna.client(THERE, BERT.peer_id)
        self.server = bert.server()
        self.asked_at: list[float] = []
        self.answered_at: list[float] = []
        self.began = self.pair.now
        self.near = self.pair.a.mux.connect(self.pair.b.address, self.pair.now)
        self.pair.run(lambda: bool(self.answered_at), limit=10.0)

    @property
    def round_trips(self) -> float:
        """How many the last reply took, from the beginning or, on a connection that is there, from the request."""
        since = self.began if len(self.answered_at) == 1 else self.asked_at[-1]
        return (self.answered_at[-1] - since) / (2 * DELAY)

    def ask(self) -> None:
        """Ask, now."""
        self.asked_at.append(self.pair.now)
        self._write(self.near, self.client, REQUEST)

    def _write(self, connection: Connection, session: TlsSession, message: bytes = b"") -> None:
        data = session.outgoing() + (seal_message(session, message) if message else b"")
        if data:
            assert connection.write(data, self.pair.now, urgent=True) == len(data)

    def _on_event(self, side: Side, event: UtpEvent) -> None:
        here = side is self.pair.a
        session = self.client if here else self.server
        if isinstance(event, Connected) and here:
            self._write(event.connection, session)
        elif isinstance(event, Readable | Incoming):
            for chunk in side.chunks.pop(event.connection, []):
                before, messages = session.established, session.feed(chunk)
                self._write(event.connection, session)
                if here and session.established and not before:
                    self.ask()
                if messages and here:
                    self.answered_at.append(self.pair.now)
                elif messages:
                    self._write(event.connection, session, REPLY)


def test_the_first_reply_takes_three_round_trips_and_the_next_one() -> None:
    call = Call(Contexts(ANNA), Contexts(BERT))
    assert call.server.peer_id == ANNA.peer_id
    assert call.round_trips == pytest.approx(3.0, abs=0.1)
    call.ask()
    call.pair.flush()
    call.pair.run(lambda: len(call.answered_at) == 2, limit=10.0)
    assert call.round_trips == pytest.approx(1.0, abs=0.1)


def test_a_resumed_session_takes_no_longer_and_fewer_bytes() -> None:
    anna, bert = Contexts(ANNA), Contexts(BERT)
    first = Call(anna, bert)
    anna.keep(THERE, BERT.peer_id, first.client)
    first.client.close()
    second = Call(anna, bert)
    assert (second.client.resumed, second.server.resumed) == (True, True)
    assert second.round_trips == pytest.approx(3.0, abs=0.1)

    def payload(call: Call) -> int:
        return sum(len(packet.payload) for side in (call.pair.a, call.pair.b) for packet in call.pair.packets(side))

    assert payload(second) < payload(first) - 500, "no certificates"
