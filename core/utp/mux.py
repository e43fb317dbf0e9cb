"""All uTP connections of one UDP socket: ids to connections, accepting, bounds, timers. A `core.values.Machine`."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

from core.errors import LocalError, PeerError, RemoteError, TransportClosed
from core.scope import network
from core.utp.accepted import AcceptedConnections
from core.utp.below import Below
from core.utp.closed_connections import ClosedConnections, Key
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Closed
from core.utp.path_memory import PathMemory
from core.utp.rebinding import Found, Rebinding
from core.utp.refusals import Refusals
from core.utp.state import State
from core.utp.statistics import Counters, MuxStatistics, snapshot
from core.utp.syn_cookies import Numbers, SynCookies
from core.utp.timers import Timers
from core.values import Address, Buffer, Burst, MayAnswer, anybody
from core.wire.utp_marks import Marks
from core.wire.utp_packet import RESET, SYN, Packet, parse, seq_add, stream_id

_ID_TRIES: Final = 64  # random ids tried; with `connections` of them taken, one in 64 tries is free for sure enough
_TRANSMIT_MAX: Final = 128  # datagrams after which one `transmit` ends; 46 of 1,402 bytes take some 0.1 ms to make
_TRANSMIT_BYTES: Final = 160 * 1024  # the same in bytes; with the last share and a probe beside it under 256 KiB
_SHARE: Final = 64  # most datagrams of one connection before the next has its turn: what one system call takes
_SHARE_BYTES: Final = 65_536  # the same in bytes


class Mux(Below):
    """A Machine[UtpEvent]. `random` gives ids and sequence numbers: a secure source in production."""

    def __init__(self, config: UtpConfig, random: Random, may_answer: MayAnswer = anybody) -> None:
        """`may_answer`: is asked before anything leaves for a source that may be forged."""
        super().__init__(may_answer)
        self._config = config
        self._random = random
        self._half_open: dict[Key, Connection] = {}  # oldest first
        self._accepted: AcceptedConnections[Connection] = AcceptedConnections(config)  # opened by others, confirmed
        self._closed = ClosedConnections(config)
        self._crossed: set[Connection] = set()  # whose ids the peer may have taken, by a SYN that crossed ours
        self._transmit_at: float | None = None  # since when there may be something to send
        self._timers = Timers()
        self.accepts = True  # False: SYNs stay unanswered, and those who sent them try again a second later
        self.counters = Counters()
        self.paths = PathMemory()
        self._refusals = Refusals(config, random, self.counters, self.send, may_answer)
        self._rebinding = Rebinding(config, random, self.counters, may_answer)
        self._cookies = SynCookies(config, random)

    # -- for the owner ------------------------------------------------------------------------------------------

    def keep_alive(self, every: float) -> None:
        """Say something over each connection after so many silent seconds: before a router on the way forgets it."""
        self._config = replace(self._config, keepalive=every)
        self._keep_alive(every)

    def mark(self, marks: Marks) -> None:
        """Say from now on, of new connections, that we can do this."""
        self._config = replace(self._config, marks=marks)
        self._cookies.mark(marks)

    def connect(self, remote: Address, now: float) -> Connection:
        """Start a connection; its SYN leaves with the next `transmit`. Raises LocalError when there are too many."""
        if self._full():
            victim = self._accepted.first_out()
            if victim is None:
                raise LocalError(f"{len(self._connections)} connections are open; close some first")
            self._evict(victim, now)
        receive_id = self._free_id(remote)
        ids = (receive_id, seq_add(receive_id, 1))
        connection = self._make(remote, ids, now)
        self.touch(connection)
        return connection

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """Take datagrams that arrived together from one source; what is malformed or unknown is counted."""
        self.counters.received += len(datagrams)
        connections, touched = self._connections, self._touched
        for datagram in datagrams:
            try:
                packet = parse(datagram)
            except RemoteError:
                self.counters.dropped_malformed += 1
                continue
            connection = connections.get((source, packet.connection_id))
            if connection is None or packet.type is RESET or packet.type is SYN:
                self._take_special(packet, len(datagram), source, now)
                continue
            taken = connection.receive(packet, now)
            touched[connection] = None
            self._transmit_at = now
            if not taken:
                self._take_misfit(connection, packet, len(datagram), source, now)
                continue
            if self._half_open and connection.state is not State.SYN_RECEIVED:
                self._confirmed(connection, now)

    def goes_first(self, source: Address, datagram: Buffer) -> bool:
        """Return whether a datagram is of a connection that we opened, or of a known peer (`keep`). Cheap."""
        connection = self._connections.get((source, stream_id(datagram)))
        return connection is not None and (connection.initiated or self._accepted.keeps(connection))

    def tick(self, now: float) -> None:
        """Act on timers that are due."""
        while (connection := self._timers.pop(now)) is not None:
            if self._crossed:
                self._give_way(connection)
            connection.tick(now)
            self.touch(connection)
            self._transmit_at = now
        self._evict_late(now)

    def deadline(self) -> float | None:
        """Return when `tick` is due; now and then too soon, which is harmless.

        While there may be more to send it is a past time. It does not know yet of what the owner did since `transmit`.
        """
        return self._timers.next_at() if self._transmit_at is None else self._transmit_at

    def transmit(self, now: float) -> list[Burst]:
        """Return what is to be sent now, a bounded part of it: neighbours for one destination in one burst.

        Connections take turns with a share each; who has more to send goes to the end of the line.
        """
        bursts: list[Burst] = []
        sent, size = self._take_outbox(bursts) if self._outbox else (0, 0)
        while self._touched and sent < _TRANSMIT_MAX and size < _TRANSMIT_BYTES:
            connection, _ = self._touched.popitem(last=False)
            share = max(2, min(_SHARE, _SHARE_BYTES // connection.path.packet_bytes))
            datagrams = connection.transmit(now, share)
            if datagrams:
                sent += len(datagrams)
                size += len(datagrams[0]) if len(datagrams) == 1 else sum(map(len, datagrams))
                self._append(bursts, connection.remote, datagrams)
            if self._outbox:  # what making those packets led to
                beside, bytes_beside = self._take_outbox(bursts)
                sent += beside
                size += bytes_beside
            if len(datagrams) >= share:
                self._touched[connection] = None
            else:
                self._timers.set(connection, connection.deadline())
        self._transmit_at = now if self._touched else None
        self.counters.sent += sent
        return bursts

    def statistics(self) -> MuxStatistics:
        """Return a copy of the counters."""
        return snapshot(self.counters, len(self._connections), len(self._half_open), self._accepted.kept)

    # -- for the connections ------------------------------------------------------------------------------------

    def delivered(self, connection: Connection) -> None:
        """See Multiplexer."""
        self._accepted.heard(connection, network(connection.remote.host))

    def keep(self, connection: Connection) -> None:
        """See Multiplexer."""
        self._accepted.keep(connection, network(connection.remote.host))

    def nonce(self) -> int:
        """See Multiplexer."""
        return self._random.getrandbits(32)

    def closed(
        self, connection: Connection, error: PeerError | None, now: float, *, known: bool, peer_may_repeat: bool
    ) -> None:
        """Forget a connection, except the ack of its FIN."""
        if known:
            self._events.append(Closed(connection, error))
        key = (connection.remote, connection.receive_id)
        del self._connections[key]
        self._rebinding.remove(connection)
        self._half_open.pop(key, None)
        self._crossed.discard(connection)
        self._timers.clear(connection)
        self._accepted.remove(connection)
        if peer_may_repeat:
            space = connection.sequence_space()
            self._closed.remember(key, connection.send_id, space.sender.next_seq, seq_add(space.expected, -1), now)

    # -- packets ------------------------------------------------------------------------------------------------

    def _take_special(self, packet: Packet, size: int, source: Address, now: float) -> None:
        """Take what is no DATA, FIN or STATE of a connection of ours."""
        if packet.type is SYN:
            self._take_syn(packet, source, now)
        elif packet.type is RESET:
            self._take_reset(packet, source, now)
        else:
            self._take_stray(packet, size, source, now)

    def _take_syn(self, syn: Packet, source: Address, now: float) -> None:
        key = (source, seq_add(syn.connection_id, 1))
        crossing = self._connections.get((source, seq_add(syn.connection_id, -1)))
        if crossing is not None and crossing.state is State.SYN_SENT:
            self._crossed.add(crossing)
        connection = self._connections.get(key)
        if connection is not None:
            self._take_known_syn(connection, syn, source, now)
        elif not self._admits(source) or not self.may_answer(source, now):
            self.counters.refused += 1
        elif len(self._half_open) >= self._config.half_open:
            self.counters.cookies_sent += 1
            self.send(source, self._cookies.answer(syn, source, now))
        else:
            self._accept(syn, source, now, self._cookies.numbers(syn, source, now))

    def _take_known_syn(self, connection: Connection, syn: Packet, source: Address, now: float) -> None:
        """Take a SYN with the ids of a connection: its own again, one of a peer that restarted, or a forged one.

        The connection stays (RFC 5961 section 4). A peer that restarted answers our challenge by RESET, or, as libutp
        does after it has drawn the same ids, goes on with the answer to its SYN, which is a cookie.
        """
        if connection.initiated:
            return  # our own choice of ids; the peer's next attempt will have others
        if connection.state is State.SYN_RECEIVED and not self.may_answer(source, now):
            self.counters.refused += 1
        elif connection.repeats(syn):
            self.touch(connection)
        elif connection.state is State.SYN_RECEIVED or connection.challenge(now, instead_of=syn.seq):
            self.send(source, self._cookies.answer(syn, source, now, next_seq=connection.next_seq))

    def _take_misfit(self, connection: Connection, packet: Packet, size: int, source: Address, now: float) -> None:
        """Take a packet with the ids of a connection and numbers that its peer cannot send."""
        if connection.state is State.SYN_SENT:
            self._refusals.refuse(packet, source, now)
        elif connection.state is State.SYN_RECEIVED:
            self._take_stray(packet, size, source, now)
        elif connection.guess(now):
            redeem = self._cookies.redeem
            redeemed = redeem(packet, source, now) or redeem(packet, source, now, moved=True)
            if redeemed is not None:
                self._take_confirmed(*redeemed, packet, source, now)

    def _accept(self, syn: Packet, source: Address, now: float, numbers: Numbers | None) -> Connection:
        key = (Address(*source), seq_add(syn.connection_id, 1))
        connection = self._half_open[key] = self._make(key[0], (key[1], syn.connection_id), now, syn, numbers)
        self.touch(connection)
        return connection

    def _give_way(self, connection: Connection) -> None:
        """Take other ids for the next SYN if the peer took the first for its own; not sooner: it may be forged."""
        if connection not in self._crossed:
            return
        self._crossed.remove(connection)
        if connection.state is not State.SYN_SENT:
            return
        receive_id = self._free_id(connection.remote)
        self._rebinding.remove(connection)
        del self._connections[connection.remote, connection.receive_id]
        connection.receive_id, connection.send_id = ids = receive_id, seq_add(receive_id, 1)
        connection.sequence_space().headers.renumber(*ids)  # from the next SYN on
        self._connections[connection.remote, receive_id] = connection
        self._rebinding.add(connection)

    def _full(self) -> bool:
        """Whether all places are taken. Half-open connections have their own: forged SYNs take no others."""
        return len(self._connections) - len(self._half_open) >= self._config.connections

    def _admits(self, source: Address) -> bool:
        """Whether one more connection from there would get a place. Nobody makes room before it is confirmed."""
        if not self.accepts or len(self._events) >= self._config.events:
            return False
        return self._accepted.opens(network(source.host), full=self._full())

    def _evict(self, connection: Connection, now: float) -> None:
        self.counters.evicted += 1
        connection.evict(now)

    def _evict_late(self, now: float) -> None:
        """End those that have been silent for too long, for how many places are taken."""
        while (late := self._accepted.late(now)) is not None:
            self._evict(late, now)

    def _take_reset(self, packet: Packet, source: Address, now: float) -> None:
        """A RESET carries the id we receive, or, as libutp answers what it does not know, the one we send."""
        sent = packet.connection_id
        for receive_id in (sent, seq_add(sent, -1), seq_add(sent, 1)):
            connection = self._connections.get((source, receive_id))
            if connection is None or sent not in (connection.receive_id, connection.send_id):
                continue
            if connection.reset(packet, now):
                self.counters.resets_received += 1
                self.touch(connection)
                return
        self.counters.resets_dropped += 1

    def _take_stray(self, packet: Packet, size: int, source: Address, now: float) -> None:
        """Look whether a peer moved or holds a cookie; ack the repeated FIN of a connection just closed; else RESET."""
        found = self._rebinding.find(packet, size, source, now)
        if found is not None:
            self._take_moving(found, packet, source, now)
            return
        kept = self._closed.find((source, packet.connection_id), now)
        redeemed = self._cookies.redeem(packet, source, now) if kept is None else None
        if redeemed is not None:
            self._take_confirmed(*redeemed, packet, source, now)
            return
        self.counters.dropped_unknown += 1
        if kept is not None:
            self._refusals.acknowledge(kept, packet, source, now)
        elif not self._cookies.active(now):  # it may be the second packet of a peer
            self._refusals.refuse(packet, source, now)

    def _take_confirmed(self, syn: Packet, numbers: Numbers, packet: Packet, source: Address, now: float) -> None:
        """Take the first packet of a peer whose SYN was answered by a cookie: its connection begins here."""
        before = self._connections.get((source, packet.connection_id))
        if before is not None:
            before.fail(TransportClosed(f"{source} started again"), now)
        if not self._admits(source):
            self.counters.refused += 1
            return
        self.counters.cookies_redeemed += 1
        connection = self._accept(syn, source, now, numbers)
        connection.receive(packet, now)
        if connection.state is not State.SYN_RECEIVED:
            self._confirmed(connection, now)

    def _confirmed(self, connection: Connection, now: float) -> None:
        """A connection is no longer half-open: give it a place, and let another go if there is none."""
        key = (connection.remote, connection.receive_id)
        if self._half_open.pop(key, None) is None:
            return
        self._closed.forget(key)  # a closed one with its ids needs no answers any longer
        if connection.state is State.CLOSED:
            return
        host = network(connection.remote.host)
        full = len(self._connections) - len(self._half_open) > self._config.connections  # it counts already
        if not self._accepted.opens(host, full=full):
            self.counters.refused += 1
            connection.abort(now)
            return
        victim = self._accepted.victim(host, full=full)
        if victim is not None:
            self._evict(victim, now)
        self._accepted.add(connection, host, now)
        if connection.delivered:
            self._accepted.heard(connection, host)
        self._evict_late(now)

    def _take_moving(self, found: Found, packet: Packet, source: Address, now: float) -> None:
        """Take a packet of a connection from an address that is not its own, or not yet."""
        connection = found.connection
        if found.round_trip is not None:
            if self._has_place(connection, source):
                old = connection.remote
                impostor = self._connections.get((source, connection.receive_id))
                if impostor is not None:  # half-open, and the true peer's packets did not fit it
                    impostor.fail(None, now)
                self._rekey(connection, Address(*source))
                connection.move(Address(*source), found.round_trip, now)
                self._rebinding.moved(connection, old, now)
            else:
                self._rebinding.refuse(connection, source, now)
        connection.receive(packet if found.ordinary else replace(packet, timestamp_difference=0), now)
        self.touch(connection)
        self._outbox += self._rebinding.challenges()

    def _make(
        self,
        remote: Address,
        ids: tuple[int, int],
        now: float,
        syn: Packet | None = None,
        numbers: Numbers | None = None,
    ) -> Connection:
        """Make a connection and know it by its key and its id."""
        numbers = numbers or Numbers(self._random.getrandbits(16), self._random.getrandbits(32))
        connection = Connection(self, self._config, remote, ids, *numbers, now, syn=syn)
        self._connections[remote, connection.receive_id] = connection
        self._rebinding.add(connection)
        return connection

    def _free_id(self, remote: Address) -> int:
        """Return a random id; it, and those that we or the peer derive of it, are free for this remote."""
        for _ in range(_ID_TRIES):
            receive_id = self._random.getrandbits(16)
            keys = [(remote, seq_add(receive_id, step)) for step in (-1, 0, 1, 2)]
            if not any(key in self._connections or key in self._closed for key in keys):
                return receive_id
        raise LocalError(f"no free connection id for {remote}; close some connections first")
