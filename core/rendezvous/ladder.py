"""The ladder at work: pairs that brokers name, whose networks plain punching cannot join, are opened rung by rung.

Each side tells the other, sealed, what its network does; each chooses by the same rule; what a climb opens counts as a
confirmed punch. Ports that nobody named are probed only at a host where a broker sees the peer whose own word, sealed
with the pair's key, names the same host (`core.reach.probing`). Where no broker is, the letters of the public DHT carry
the same words (`core.rendezvous.by_mail`).
"""

import asyncio
import logging
from collections.abc import Callable
from random import SystemRandom

from core.aio.tasks import TaskSet
from core.broker.in_use import Want
from core.errors import PeerError
from core.limits.table import BoundedTable
from core.nat.reflection import Reflector
from core.nat.report import NatReport
from core.nat.side import Side, side_of
from core.net.climbing import Climbing
from core.net.endpoint import Endpoint
from core.news.events import PunchEnded
from core.news.hub import Hub
from core.peer_id import PeerId
from core.punch.climb import Climb, Climbed
from core.punch.climb_config import ClimbConfig
from core.punch.events import PunchEvent, PunchFinished, PunchHeard
from core.punch.rungs import choose, plain_may_do
from core.reach.probing import Probing
from core.rendezvous.by_mail import (
    HURRIED,
    MAIL_GONE_AFTER,
    MAIL_PLAIN_FIRST,
    MAIL_SHORT_PLAIN,
    Mailbox,
    word_of,
)
from core.rendezvous.over_six import OverSix
from core.rendezvous.pair import Pair
from core.rendezvous.sealing import Identity, Sealer, Word
from core.scope import only_four
from core.values import Address
from core.wire.broker_message import Listing

PAIRS = 64  # at once; full: the one named longest ago ends
NEW_AT_ONCE = 8  # pairs made for one answer, at some 2 ms each; the others at the next
PLAIN_FIRST = 2.2  # seconds for plain punching where it may do; a meeting's outcome is there after 2
SHORT_PLAIN = 0.6  # seconds where it can only if a filter that nobody tried is loose
GONE_AFTER = 30.0  # seconds without being named by a broker; an entry there ages in 15
AGAIN_AFTER = 10.0  # seconds after a path was opened until the other side may ask for another: it has restarted
_log = logging.getLogger(__name__)


class Ladder:
    """Made after the brokers, whose answers it is told. `opened` takes what a confirmed punch would tell."""

    def __init__(
        self,
        hub: Hub,
        endpoint: Endpoint,
        identity: Callable[[], Identity | None],
        report: Callable[[], NatReport],
        reflectors: Callable[[], list[Reflector]],
        leave: Callable[[Want, PeerId, str], None],
        probing: Probing,
        opened: Callable[[PunchEvent], None],
        validated: Callable[[Address], None],
        alive: Callable[[Address], bool] = lambda address: False,
        mailbox: Mailbox | None = None,
        over_six: OverSix | None = None,
        proved: Callable[[Address], None] = lambda address: None,
    ) -> None:
        """`report()` is of our network, `leave(want, peer, text)` leaves a text at the brokers.

        `alive(address)`: something came from there lately. `proved(address)`: a peer says, sealed, that it is at this
        host, and a broker sees it there.
        """
        self._alive, self._mailbox, self._over_six = alive, mailbox, over_six or OverSix()
        self._host_proved = proved
        self._side: Side | None = None  # in letters
        self._hub, self._endpoint, self._identity, self._report = hub, endpoint, identity, report
        self._reflectors, self._leave, self._probing = reflectors, leave, probing
        self._opened, self._validated = opened, validated
        self._loop = asyncio.get_running_loop()
        self._tasks = TaskSet("ladder")
        self._pairs: BoundedTable[PeerId, Pair] = BoundedTable(PAIRS, lambda _, pair: self._end(pair))
        self._you: Address | None = None
        self._met: BoundedTable[str, float] = BoundedTable(4 * PAIRS)  # hosts that plain punching reached
        self._closed = False
        self._reached: list[Callable[[PeerId, Address], None]] = []
        hub.subscribe(self._on_plain, PunchEnded)

    async def aclose(self) -> None:
        """Give up what is under way."""
        self._closed = True
        for peer_id in list(self._pairs):
            self._end(self._pairs[peer_id])
        await self._tasks.aclose()

    def listen(self, listener: Callable[[PeerId, Address], None]) -> None:
        """Call `listener` with the peer that the ladder has opened a way to, and where it is."""
        self._reached.append(listener)

    # -- what brokers tell --------------------------------------------------------------------------------------------

    def told(self, want: Want, broker: Address, listing: Listing) -> None:
        """Take an answer of a broker of ours: who is there, and what was left for us."""
        identity = self._identity()
        if identity is None or self._closed:
            return
        self._you = next(iter(only_four(filter(None, (listing.you,)))), self._you)
        now, made = self._loop.time(), 0
        for entry in listing.entries:
            if entry.server == want.server or entry.peer_id is None or entry.peer_id == identity.peer_id:
                continue
            pair = self._pairs.get(entry.peer_id)
            if pair is None:
                made += 1
                pair = self._make(entry.peer_id, want, identity) if made <= NEW_AT_ONCE else None
            if pair is not None:
                pair.named_at = now
                if pair.want is None:  # a broker is quicker than letters
                    pair.want = want
                    self._say(pair)
                pair.brokers.setdefault(entry.address.host, set()).add(broker.host)
                self._tell_whether_proved(pair, entry.address)
                self._over_six.meet(pair.six)
        for sender, text in listing.mail.items():
            pair = self._pairs.get(sender)
            if pair is not None and pair.heard != text:
                pair.heard = text
                self._on_mail(pair, text)
        self._forget_gone(now)

    # -- what letters tell --------------------------------------------------------------------------------------------

    def side(self) -> bytes:
        """Return what every letter of ours says; empty: our network is not known. Small changes do not make it new."""
        ours = self._ours()
        if ours is None or self._side is None or _kind(ours) != _kind(self._side):
            self._side = ours
        return b"" if self._side is None else bytes(self._side)

    def posted(self, peer_id: PeerId, text: bytes, *, calls: bool) -> None:
        """Take what a letter says. `calls`: we call that peer, or it calls us; else one that climbs is of interest."""
        identity, word = self._identity(), word_of(text)
        if identity is None or self._closed or word is None:
            return
        now = self._loop.time()
        pair = self._pairs.get(peer_id)
        if pair is None and (calls or word.climb):
            pair = self._make(peer_id, None, identity)
        if pair is not None and pair.want is None:
            pair.named_at = now
            if pair.heard != text.hex():
                pair.heard = text.hex()
                self._take_word(pair, word)
        self._forget_gone(now)

    def witnessed(self, peer_id: PeerId, host: str, node: str) -> None:
        """A node lists a host where only this peer would have itself listed."""
        pair = self._pairs.get(peer_id)
        if pair is not None and pair.theirs is not None and host == pair.theirs.address.host:
            pair.witnesses.add(host, node)  # of others nothing is kept: nodes that lie list many
            if pair.climbing is not None:
                pair.climbing.look()

    def waiting(self) -> dict[PeerId, bool]:
        """Return whose letters are waited for, so that they are read and written quickly.

        With it: whether it is of interest who lists it. Before its first word to us nobody does.
        """
        now, found = self._loop.time(), {}
        for peer_id, pair in list(self._pairs.items()):
            climbs = pair.want is None and pair.climbing is not None and pair.start is None and pair.won_at is None
            if climbs and pair.climbing is not None and (pair.climbing.climb.busy or now - pair.began_at < HURRIED):
                found[peer_id] = pair.speaks and not pair.proved(self._probing)
        return found

    def on_report(self) -> None:
        """Tell those who wait for it what our network does."""
        for pair in list(self._pairs.values()):
            if pair.climbing is None:
                self._greet(pair)
                self._consider(pair)

    def begin_again(self) -> None:
        """Forget all pairs: their ways led through a network that may be gone. Brokers and letters name them again."""
        for peer_id in list(self._pairs):
            self._end(self._pairs.pop(peer_id))
        self._met = BoundedTable(4 * PAIRS)
        self._you = self._side = None

    def _make(self, peer_id: PeerId, want: Want | None, identity: Identity) -> Pair | None:
        try:
            pair = Pair(peer_id, want, Sealer(identity, peer_id), self._loop.time())
        except PeerError as error:
            _log.debug("no pair with %s: %s", peer_id.short, error)
            return None
        self._pairs[peer_id] = pair
        self._greet(pair)
        return pair

    def _greet(self, pair: Pair) -> None:
        """Tell what our network does, once that is known; where we have IPv6, at once: that takes nothing else."""
        ours, six = self._ours(), self._over_six.ours()
        if ours is not None and (ours, six) != (pair.ours, pair.our_six):
            pair.ours, pair.our_six = ours, six
            self._say(pair)
        elif ours is None and self._you is not None and pair.want is not None and six and six != pair.our_six:
            pair.our_six, word = six, Word(side_of(NatReport(), self._you), six=six)
            self._leave(pair.want, pair.peer_id, pair.sealer.seal(word))

    def _ours(self) -> Side | None:
        report = self._report()
        seen = self._you or next(iter(report.observed), None)
        return side_of(report, seen) if seen is not None and report.reflectors else None

    def _say(self, pair: Pair) -> None:
        if pair.ours is None:
            return
        if pair.want is not None:
            self._leave(pair.want, pair.peer_id, pair.sealer.seal(Word(pair.ours, pair.word, pair.our_six)))
        elif self._mailbox is not None:
            self._mailbox.leave(pair.peer_id, bytes(pair.ours) + pair.word if pair.word else b"")

    def _on_mail(self, pair: Pair, text: str) -> None:
        word = pair.sealer.open(text)
        if word is None:
            _log.debug("what %s left for us cannot be read", pair.peer_id.short)
        else:
            self._take_word(pair, word)

    def _take_word(self, pair: Pair, word: Word) -> None:
        pair.six, pair.speaks = word.six or pair.six, bool(word.climb) or pair.speaks
        self._over_six.meet(word.six)
        if word.side.known or not word.six:  # else it knows its network later, and has told where it has IPv6
            pair.theirs = word.side
        now = self._loop.time()
        if pair.won_at is not None and now - pair.won_at > AGAIN_AFTER and word.climb:
            self._drop_climb(pair)
            pair.won_at = None
        if word.climb and pair.climbing is None:
            pair.pending = word.climb
        self._consider(pair)
        if word.climb and pair.climbing is not None:
            pair.climbing.mail(word.climb)

    def _forget_gone(self, now: float) -> None:
        for peer_id in list(self._pairs):
            pair = self._pairs[peer_id]
            if now - pair.named_at > (MAIL_GONE_AFTER if pair.want is None else GONE_AFTER):
                del self._pairs[peer_id]
                self._end(pair)

    # -- climbing -----------------------------------------------------------------------------------------------------

    def _consider(self, pair: Pair) -> None:
        """Make a climb where one can help, and start it at once, or after plain punching had its time."""
        ours, theirs = pair.ours, pair.theirs
        if ours is None or theirs is None or pair.climbing is not None or self._closed:
            return
        first = pair.sealer.first
        if choose(ours, theirs, 0, first=first) is None:
            return
        by_mail = pair.want is None
        if by_mail and not self._probing.outside(theirs.address.host):
            return
        if not by_mail and not pair.proved(self._probing):
            host = theirs.address.host
            _log.debug("%s says that it is at %s, where no broker sees it: it is not probed", pair.peer_id.short, host)
            return
        config = ClimbConfig.by_mail() if by_mail else ClimbConfig()
        climb = Climb(
            ours, theirs, pair.sealer.codec, first, SystemRandom(), self._probing, config,
            lambda: pair.proved(self._probing),
        )  # fmt: skip
        pair.began_at = self._loop.time()
        pair.climbing = climbing = Climbing(
            climb, self._endpoint, self._reflector, lambda text: self._on_word(pair, text),
            lambda outcome: self._on_ended(pair, outcome),
        )  # fmt: skip
        self._endpoint.probes.expect(pair.sealer.codec.tag, climbing.receive)
        if pair.pending:
            climbing.mail(pair.pending)
            pair.pending = b""
        if not plain_may_do(ours, theirs):
            climbing.start()
            return
        long, short = (MAIL_PLAIN_FIRST, MAIL_SHORT_PLAIN) if by_mail else (PLAIN_FIRST, SHORT_PLAIN)
        pair.start = self._loop.call_later(short if ours.hard or theirs.hard else long, self._start, pair)

    def _tell_whether_proved(self, pair: Pair, listed: Address) -> None:
        if pair.theirs is not None and pair.theirs.address.host == listed.host and pair.proved(self._probing):
            self._host_proved(listed)

    def _start(self, pair: Pair) -> None:
        pair.start = None
        host = pair.theirs.address.host if pair.theirs is not None else ""
        met_at = self._met.get(host)
        pair.began_at = self._loop.time()
        if pair.climbing is not None and not self._closed and (met_at is None or self._loop.time() - met_at > 30.0):
            pair.climbing.start()

    def _reflector(self) -> Reflector | None:
        return next(iter(self._reflectors()), None)

    def _on_word(self, pair: Pair, text: bytes) -> None:
        pair.word = text
        self._say(pair)

    def _on_ended(self, pair: Pair, outcome: Climbed) -> None:
        theirs = pair.theirs
        assert theirs is not None
        remote = outcome.remote
        how = f"{outcome.packets} packets in {outcome.seconds:.1f} s"
        if remote is None:
            reason = f"not opened by {outcome.rung.value}, {how}; tried again later"
        else:
            reason = f"open by {outcome.rung.value}, {how}"
        _log.debug("%s at %s: %s", pair.peer_id.short, theirs.address, reason)
        told = (remote is not None, remote, outcome.seconds, reason, outcome.rung.value, outcome.packets)
        self._hub.emit(PunchEnded(self._hub.now(), theirs.address, *told))
        if remote is not None:
            pair.won_at, pair.remote = self._loop.time(), remote
            self._validated(remote)
            self._opened(PunchHeard(remote, first=True))
            self._opened(PunchFinished(remote, heard=True, confirmed=True))
            for listener in self._reached:
                listener(pair.peer_id, remote)
            if pair.want is None and self._mailbox is not None:
                self._mailbox.reached(pair.peer_id, remote)

    def _on_plain(self, event: object) -> None:
        """Note the hosts that plain punching reached, so that no rung is tried for nothing; and those it lost again."""
        if not isinstance(event, PunchEnded):
            return
        if event.open and event.observed is not None:
            self._met[event.observed.host] = self._loop.time()
        elif not event.open:
            self._met.pop(event.peer.host, None)
            for pair in [self._pairs[peer_id] for peer_id in list(self._pairs)]:
                self._look_whether_lost(pair, event.peer.host)

    def _look_whether_lost(self, pair: Pair, host: str) -> None:
        """Climb again where a path that we had opened has fallen silent, and punching has just failed too."""
        if pair.won_at is None or pair.remote is None or pair.remote.host != host:
            return
        if self._loop.time() - pair.won_at > AGAIN_AFTER and not self._alive(pair.remote):
            self._drop_climb(pair)
            pair.won_at, pair.ours = None, None
            self._greet(pair)
            self._consider(pair)

    def _end(self, pair: Pair) -> None:
        if pair.start is not None:
            pair.start.cancel()
            pair.start = None
        self._drop_climb(pair)

    def _drop_climb(self, pair: Pair) -> None:
        climbing, pair.climbing, pair.word = pair.climbing, None, b""
        if pair.want is None and self._mailbox is not None:
            self._mailbox.leave(pair.peer_id, b"")
        if climbing is not None:
            self._endpoint.probes.forget(pair.sealer.codec.tag)
            self._tasks.spawn(climbing.close(), name="close a climb")


def _kind(side: Side) -> tuple[object, ...]:
    """Return what makes a side another one to those who read our letters: they are written one by one."""
    where = side.address.host if side.hard else side.address
    return side.mapping, side.filtering, side.ports, side.carrier, where
