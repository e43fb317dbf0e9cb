"""The datagrams of one session: queued, sealed and sent to where its other side is; opened, judged and handed on.

Only what is genuine moves the address, and only once a question sent there was answered from there (RFC 9000 section
8.2): a copy of our other side's datagrams, sent from elsewhere, gets one short question and nothing else.
"""

from collections import OrderedDict, deque
from random import Random
from typing import Final, NamedTuple

from core.datagrams.assembly import Assembly, cut, fits
from core.datagrams.config import DatagramConfig
from core.datagrams.events import Arrived, Counters
from core.datagrams.prober import SMALL, Prober
from core.datagrams.seal import Opener, Sealer
from core.errors import RemoteError
from core.limits.drop_oldest import DropOldest, Room
from core.values import Address, Burst, Fragments, MayAnswer, anybody
from core.wire.datagram_keys import DatagramKeys
from core.wire.datagram_packet import (
    DATA_BYTES,
    SEALED_BYTES,
    Content,
    Data,
    Piece,
    Ping,
    Pong,
    pack_content,
    parse_content,
)

CHALLENGE_EVERY: Final = 0.25  # seconds between two questions to an address that is not proven
CHALLENGE_LASTS: Final = 1.0  # seconds, after which another address may be asked instead
_MESSAGES: Final = 1 << 32


class _Challenge(NamedTuple):
    to: Address
    nonce: int
    began: float
    asked: float


class _Told(NamedTuple):
    """A question or an answer that waits to be sealed."""

    to: Address
    content: Content
    size: int  # bytes of the whole datagram; 0: as short as it is


class Path:
    """Made by `core.datagrams.mux.Mux`. Nothing here raises for what came."""

    def __init__(
        self,
        keys: DatagramKeys,
        remote: Address,
        config: DatagramConfig,
        random: Random,
        counters: Counters,
        may_answer: MayAnswer = anybody,
    ) -> None:
        """`may_answer`: is asked before anything leaves for elsewhere than `remote`: the other side may forge it."""
        self.session = keys.receive.session
        self.remote = remote
        self._config = config
        self._random = random
        self._counters = counters
        self._may_answer = may_answer
        self._sealer = Sealer(keys.send)
        self._opener = Opener(keys.receive)
        self._prober = Prober(random)
        self._assembly = Assembly(config)
        self._flows: dict[int, DropOldest] = {}
        self._room = Room(config.held)
        self._ready: OrderedDict[int, None] = OrderedDict()  # streams whose datagrams wait; the next one first
        self._control: deque[_Told] = deque()
        self._challenge: _Challenge | None = None
        self._message = 0  # number of the next datagram that is cut
        self.closed = False

    # -- what is sent -------------------------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether datagrams get through, by all that is known."""
        return self._prober.verified and not self._sealer.spent and not self.closed

    @property
    def size(self) -> int:
        """How long a datagram may be on this path, in bytes of UDP payload; it changes."""
        return self._prober.size

    def open_flow(self, stream: int, now: float) -> bool:
        """Let a stream send datagrams; False when too many do. Asks at once whether they get through."""
        if self.closed or len(self._flows) >= self._config.flows:
            return False
        self._flows.setdefault(stream, DropOldest(self._room, self._config.datagrams, self._config.datagram_bytes))
        self._prober.used(now)
        return True

    def close_flow(self, stream: int) -> None:
        """Forget a stream and what it has queued. Idempotent."""
        flow = self._flows.pop(stream, None)
        if flow is not None:
            flow.clear()
            self._ready.pop(stream, None)

    def send(self, stream: int, data: bytes, now: float) -> bool:
        """Queue a datagram; True: it is dealt with, which may mean that it, or an older one, was dropped and counted.

        False: send it another way. The path lets none through, it would take too many pieces, or the stream has no
        `open_flow`.
        """
        flow = self._flows.get(stream)
        if flow is None:
            return False
        self._prober.used(now)
        if not self.usable or not fits(len(data), self.size):
            return False
        dropped = flow.dropped
        flow.add(data)
        self._counters.overflowed += flow.dropped - dropped
        if flow:
            self._ready.setdefault(stream)
        return True

    def dropped(self, stream: int) -> int:
        """Return how many datagrams of a stream were dropped here for want of room."""
        flow = self._flows.get(stream)
        return 0 if flow is None else flow.dropped

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent, or to be joined with their other pieces."""
        return self._room.used + self._assembly.bytes

    # -- where to -----------------------------------------------------------------------------------------------------

    def moved(self, remote: Address) -> None:
        """Hear from uTP, which proved it, that the other side is elsewhere."""
        if remote != self.remote:
            self._follow(remote)

    def known_size(self, size: int, now: float) -> None:
        """Hear how long uTP's packets to the other side may be."""
        self._prober.known(size, now)

    def too_long(self, size: int, now: float) -> None:
        """The system knows that a datagram of `size` bytes is too long for the path."""
        if size <= self.size:
            self._prober.shrink(now, size)

    # -- what came ----------------------------------------------------------------------------------------------------

    def receive(self, counter: int, datagram: bytes, source: Address, now: float) -> Arrived | None:
        """Take a datagram with our session's id; return what it brings to a stream."""
        window = self._opener.window
        if not window.fresh(counter):
            self._counters.replayed += 1
            return None
        newest = counter > window.newest
        opened = self._opener.open(counter, datagram)
        if opened is None:
            self._counters.forged += 1
            return None
        self._counters.received += 1
        if newest and source != self.remote:
            self._ask_there(source, now)
        try:
            content = parse_content(opened)
        except RemoteError:
            self._counters.malformed += 1
            return None
        return self._take(content, source, now)

    def _take(self, content: Content, source: Address, now: float) -> Arrived | None:
        if isinstance(content, Data):
            return Arrived(self, content.stream, content.data)
        if isinstance(content, Piece):
            whole = self._assembly.add(content)
            return None if whole is None else Arrived(self, content.stream, whole)
        if isinstance(content, Ping):
            if source == self.remote or self._may_answer(source, now):
                self._tell(_Told(source, Pong(content.nonce), 0))
            self._prober.heard()
            return None
        challenge = self._challenge
        if challenge is not None and content.nonce == challenge.nonce and source == challenge.to:
            self._follow(source)
        self._prober.answered(content.nonce, now)
        return None

    def _ask_there(self, source: Address, now: float) -> None:
        """Something genuine came from another address: ask there, and follow once it answers."""
        before = self._challenge
        if before is not None:
            again = before.to == source
            if now < (before.asked + CHALLENGE_EVERY if again else before.began + CHALLENGE_LASTS):
                return
            if again and now < before.began + 8 * CHALLENGE_LASTS:  # an answer may be long under way
                self._challenge = before._replace(asked=now)
                if self._may_answer(source, now):
                    self._tell(_Told(source, Ping(before.nonce), 0))
                return
        if not self._may_answer(source, now):
            return
        self._challenge = _Challenge(source, self._random.getrandbits(64), now, now)
        self._tell(_Told(source, Ping(self._challenge.nonce), 0))

    def _follow(self, remote: Address) -> None:
        self.remote = remote
        self._challenge = None
        self._counters.moved += 1
        self._prober.shrink(0.0)
        self._prober.doubt()

    def _tell(self, told: _Told) -> None:
        if len(self._control) < self._config.control:
            self._control.append(told)
        else:
            self._counters.overflowed += 1

    # -- for the mux --------------------------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether something can be sent at once."""
        return bool(self._control or self._ready)

    def deadline(self) -> float | None:
        """Return when `transmit` has something to ask."""
        return self._prober.deadline() if self._flows else None

    def transmit(self, now: float) -> list[Burst]:
        """Return what is to be sent now."""
        if self._sealer.spent or self.closed:
            self._control.clear()
            self._drop_all()
            return []
        if self._flows:
            question = self._prober.question(now)
            if question is not None:
                size = question.size if question.size > SMALL else 0
                self._tell(_Told(self.remote, Ping(question.nonce), size))
        bursts = []
        while self._control:
            to, content, size = self._control.popleft()
            packed = pack_content(content, max(0, size - SEALED_BYTES))
            bursts.append(Burst(to, [self._seal(packed)], Fragments.NEVER if size else Fragments.AVOID))
        datagrams = self._data()
        if datagrams:
            bursts.append(Burst(self.remote, datagrams))
        return bursts

    def close(self) -> None:
        """Forget everything; nothing is sent from now on."""
        self.closed = True
        self._control.clear()
        self._drop_all()
        self._flows.clear()

    def _data(self) -> list[bytes]:
        out: list[bytes] = []
        while self._ready and len(out) < self._config.turn:
            stream, _ = self._ready.popitem(last=False)
            flow = self._flows[stream]
            for content in self._contents(stream, flow.popleft()):
                out.append(self._seal(pack_content(content)))
            if flow:
                self._ready[stream] = None  # the others have their turn
        return out

    def _contents(self, stream: int, data: bytes) -> list[Content]:
        """Return a datagram as what leaves; nothing when the path shrank meanwhile, and takes it no longer."""
        if not self._too_long(data):
            return [Data(stream, data)]
        if not fits(len(data), self.size):
            self._counters.overflowed += 1
            return []
        self._message = (self._message + 1) % _MESSAGES
        return list[Content](cut(stream, self._message, data, self.size))

    def _too_long(self, data: bytes) -> bool:
        return len(data) + DATA_BYTES + SEALED_BYTES > self.size

    def _seal(self, content: bytes) -> bytes:
        self._counters.sent += 1
        return self._sealer.seal(content)

    def _drop_all(self) -> None:
        for flow in self._flows.values():
            flow.clear()
        self._ready.clear()
