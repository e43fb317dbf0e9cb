"""Both sides of "where do you see me": asking reflectors from one socket, and answering as one; a Machine.

A reflector is a peer of ours, asked as `core.wire.reflect_packet` has it, or any node of a DHT: its answer to a ping
has the address that it saw (BEP 42 `ip`). A node of a DHT is told that we answer no queries (BEP 43).
"""

import math
from collections.abc import Sequence
from dataclasses import field
from random import Random
from typing import TypeAlias

from core.frozen import dataclass
from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.scope import is_six, usable
from core.values import Address, Buffer, Burst, MayAnswer, anybody
from core.wire.krpc import MalformedMessage, Query, Reply
from core.wire.krpc import parse as parse_krpc
from core.wire.reflect_packet import NONCE_BYTES, Answer, Question, is_reflection
from core.wire.reflect_packet import parse as parse_reflection

RESEND = 0.25  # seconds until a question is asked again; a mobile line's round trip is 0.1 to 0.2 s
TRIES = 4  # of one question: at 5 % loss each way one of 10,000 stays unanswered
PATIENCE = 1.5  # seconds until a reflector counts as silent; TRIES * RESEND and a satellite's round trip
PATIENCE_OTHER = 0.8  # seconds for an answer from another port, which behind most routers never comes
QUESTIONS = 256  # at once; further ones are refused. 64 sockets ask two each at most
ANSWERS_EACH = 8.0  # a second to one host: a peer asks four times in 5 minutes, and 24 times behind a hard NAT
ANSWERS_ALL = 200.0  # a second in all: 7 KB/s with headers, also when sources are forged
EXPECTED = 8  # answers that others of our sockets have asked for, at once
HOSTS = 1024  # whose rate is remembered
DHT_ID_BYTES = 20
_DICTIONARY = ord("d")  # how a bencoded one begins


@dataclass(frozen=True, slots=True)
class Reflector:
    """Somebody who says where it sees us. `dht`: a node of a DHT, or else a peer of ours."""

    address: Address
    dht: bool = False


@dataclass(frozen=True, slots=True)
class Reflected:
    """The end of a question: `observed` as the reflector saw us, None when it did not say.

    `other`: the answer came from another port of it, as was asked. `asked_at`: when the packet left that was answered.
    `also`: another port of its host that may be asked; None: it has none.
    """

    reflector: Reflector
    observed: Address | None
    asked_at: float
    other: bool = False
    also: int | None = None


@dataclass(frozen=True, slots=True)
class OtherAnswer:
    """A question wants its answer from another port, if there is one."""

    to: Address
    datagram: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """An answer came that another socket of ours has asked for."""

    nonce: bytes


ReflectionEvent: TypeAlias = Reflected | OtherAnswer | Delivered


@dataclass(slots=True)
class _Asked:
    reflector: Reflector
    other: bool
    sent_at: float
    first_at: float
    tries: int = 1
    datagram: bytes = field(default=b"", repr=False)


class Reflection:
    """Asks and answers on one socket. Who never sent a question gets nothing; each question gets one answer at most."""

    def __init__(self, random: Random, *, answers: bool = True, may_answer: MayAnswer = anybody) -> None:
        """`answers`: whether this socket is a reflector to others. `also` is then another port of ours that is one.

        `may_answer`: is asked before each answer; a question's source may be forged.
        """
        self.may_answer = may_answer
        self.also = 0
        self._random = random
        self._answers = answers
        self._asked: dict[bytes, _Asked] = {}
        self._expected: BoundedTable[bytes, str] = BoundedTable(EXPECTED)  # the reflector's host, by nonce
        self._outgoing: list[Burst] = []
        self._events: list[ReflectionEvent] = []
        self._all = TokenBucket(ANSWERS_ALL, ANSWERS_ALL)
        self._each: BoundedTable[str, TokenBucket] = BoundedTable(HOSTS)
        self.answered = 0
        self.withheld = 0  # questions over a rate

    def ask(self, reflector: Reflector, now: float, *, other: bool = False) -> bool:
        """Ask; one `Reflected` tells the end. False: too many questions are open, or nothing can be sent there."""
        if len(self._asked) >= QUESTIONS or not usable(reflector.address):
            return False
        nonce = self._random.randbytes(NONCE_BYTES)
        datagram = bytes(Question(nonce, other))
        if reflector.dht:
            arguments = {b"id": self._random.randbytes(DHT_ID_BYTES)}
            datagram = bytes(Query(nonce, b"ping", dict(arguments), read_only=True))
        self._asked[nonce] = _Asked(reflector, other, now, now, datagram=datagram)
        self._outgoing.append(Burst(reflector.address, [datagram]))
        return True

    def have_answered(self, reflector: Reflector, port: int, now: float) -> bytes | None:
        """Ask for an answer at another port of ours, as our router has it; return its nonce. None: not possible now."""
        if reflector.dht or len(self._asked) >= QUESTIONS or not usable(reflector.address):
            return None
        nonce = self._random.randbytes(NONCE_BYTES)
        datagram = bytes(Question(nonce, port=port))
        self._asked[nonce] = _Asked(reflector, False, now, now, datagram=datagram)
        self._outgoing.append(Burst(reflector.address, [datagram]))
        return nonce

    def expect(self, nonce: bytes, reflector: Reflector) -> None:
        """Take an answer that another socket asks for."""
        self._expected[nonce] = reflector.address.host

    def concerns(self, datagram: Buffer) -> bool:
        """Tell what this is for from everything else on a socket. Cheap. Of a DHT's answers, only those waited for."""
        if not self._asked or not len(datagram) or datagram[0] != _DICTIONARY:
            return is_reflection(datagram)
        text = bytes(datagram)  # a node of the public DHT may be at home on the same socket
        return any(nonce in text for nonce in self._asked)

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """Take questions and answers; anything else is dropped."""
        for datagram in datagrams:
            match parse_reflection(datagram):
                case Question() as question:
                    self._answer(question, source, now)
                case Answer() as answer:
                    self._take(answer.nonce, source, answer.seen, answer.also or None)
                case None:
                    self._receive_krpc(datagram, source)

    def tick(self, now: float) -> None:
        """Ask again what was not answered; give up what was asked long ago."""
        for nonce, asked in list(self._asked.items()):
            if now >= asked.first_at + (PATIENCE_OTHER if asked.other else PATIENCE):
                del self._asked[nonce]
                self._events.append(Reflected(asked.reflector, None, asked.sent_at, asked.other))
            elif asked.tries < TRIES and now >= asked.sent_at + RESEND:
                asked.tries += 1
                asked.sent_at = now
                self._outgoing.append(Burst(asked.reflector.address, [asked.datagram]))

    def deadline(self) -> float | None:
        """Return when `tick` is next due."""
        due = (
            min(
                asked.sent_at + RESEND if asked.tries < TRIES else math.inf,
                asked.first_at + (PATIENCE_OTHER if asked.other else PATIENCE),
            )
            for asked in self._asked.values()
        )  # fmt: skip
        return min(due, default=None)

    def idle(self) -> bool:
        """Return whether there is nothing to transmit, to tell or to wait for."""
        return not (self._asked or self._outgoing or self._events)

    def transmit(self, now: float) -> list[Burst]:
        """Return, and forget, the datagrams to send."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def events(self) -> list[ReflectionEvent]:
        """Return, and forget, what happened."""
        events, self._events = self._events, []
        return events

    def _answer(self, question: Question, source: Address, now: float) -> None:
        if not self._answers or not usable(source) or is_six(source.host):
            return  # no router translates IPv6, and the answer has no room for it
        each = self._each.use(source.host, lambda: TokenBucket(ANSWERS_EACH, 4 * ANSWERS_EACH))
        if not each.take(now) or not self._all.take(now) or not self.may_answer(source, now):
            self.withheld += 1
            return
        self.answered += 1
        datagram = bytes(Answer(question.nonce, source, question.other, self.also))
        to = Address(source.host, question.port) if question.port else source
        if question.other:
            self._events.append(OtherAnswer(source, datagram))
        else:
            self._outgoing.append(Burst(to, [datagram]))

    def _receive_krpc(self, datagram: Buffer, source: Address) -> None:
        try:
            message = parse_krpc(datagram)
        except MalformedMessage:
            return
        if isinstance(message, Reply) and message.observed is not None and usable(message.observed):
            self._take(message.transaction, source, message.observed)

    def _take(self, nonce: bytes, source: Address, seen: Address, also: int | None = None) -> None:
        if self._expected.get(nonce) == source.host:
            del self._expected[nonce]
            self._events.append(Delivered(nonce))
            return
        asked = self._asked.get(nonce)
        if asked is None:
            return
        wanted = asked.reflector.address
        if source.host != wanted.host or (source.port == wanted.port) == asked.other:
            return  # from somebody else, or from the port that should not have answered
        del self._asked[nonce]
        self._events.append(Reflected(asked.reflector, seen, asked.sent_at, asked.other, also))
