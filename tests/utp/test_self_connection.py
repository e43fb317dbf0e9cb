"""A connection to ourselves: one socket, one address, both ends."""

from random import Random

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Closed, Connected, Ended, Incoming, Readable, UtpEvent
from core.utp.mux import Mux
from core.utp.state import State
from core.values import Address

HERE = Address("127.0.0.1", 5000)


class Loop:
    """One mux whose datagrams come back to it at once."""

    def __init__(self, seed: int = 1) -> None:
        self.mux = Mux(UtpConfig(), Random(seed))
        self.now = 10.0
        self.events: list[UtpEvent] = []
        self.read: dict[Connection, bytes] = {}

    def settle(self) -> None:
        """Deliver until nothing moves any more, delayed acks included."""
        for _ in range(200):
            bursts = self.mux.transmit(self.now)
            for burst in bursts:
                assert burst.to == HERE
                self.mux.receive(burst.datagrams, HERE, self.now)
            for event in self.mux.events():
                self.events.append(event)
                if isinstance(event, Readable):
                    old = self.read.get(event.connection, b"")
                    self.read[event.connection] = old + b"".join(event.connection.read(self.now))
            if not bursts:
                self.now += 0.006
                self.mux.tick(self.now)

    def of(self, kind: type[UtpEvent]) -> list[Connection]:
        """Return the connections that had an event of a kind."""
        return [event.connection for event in self.events if isinstance(event, kind)]


def test_both_ends_are_there_and_data_goes_both_ways() -> None:
    loop = Loop()
    near = loop.mux.connect(HERE, loop.now)
    loop.settle()
    (far,) = loop.of(Incoming)
    assert loop.of(Connected) == [near]
    assert far is not near
    near.write(b"to the far end", loop.now)
    far.write(b"to the near end", loop.now)
    loop.settle()
    assert loop.read == {far: b"to the far end", near: b"to the near end"}
    assert loop.mux.statistics().connections == 2


def test_it_ends_in_order() -> None:
    loop = Loop()
    near = loop.mux.connect(HERE, loop.now)
    loop.settle()
    (far,) = loop.of(Incoming)
    near.write(bytes(20_000), loop.now)
    near.close(loop.now)
    far.close(loop.now)
    loop.settle()
    assert len(loop.read[far]) == 20_000
    assert set(loop.of(Ended)) == set(loop.of(Closed)) == {near, far}
    assert [event.error for event in loop.events if isinstance(event, Closed)] == [None, None]
    assert loop.mux.statistics().connections == 0
    assert loop.mux.statistics().resets_sent == 0


def test_abort_of_one_end_resets_the_other_and_not_itself() -> None:
    loop = Loop()
    near = loop.mux.connect(HERE, loop.now)
    loop.settle()
    (far,) = loop.of(Incoming)
    near.abort(loop.now)
    loop.settle()
    errors = {event.connection: event.error for event in loop.events if isinstance(event, Closed)}
    assert errors[near] is None
    assert "reset" in str(errors[far])


def test_many_at_once_do_not_mix() -> None:
    loop = Loop(3)
    near = [loop.mux.connect(HERE, loop.now) for _ in range(100)]
    loop.settle()
    far = loop.of(Incoming)
    assert len(far) == 100
    for number, connection in enumerate(near):
        connection.write(b"%d" % number, loop.now)
    loop.settle()
    assert sorted(loop.read[connection] for connection in far) == sorted(b"%d" % number for number in range(100))
    by_ids = {(connection.send_id, connection.receive_id): number for number, connection in enumerate(near)}
    for connection in far:
        assert loop.read[connection] == b"%d" % by_ids[connection.receive_id, connection.send_id]
    assert all(connection.state is State.OPEN for connection in near)
