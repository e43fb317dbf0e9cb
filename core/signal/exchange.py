"""The exchange of one peer: our letters in our people's boxes, our door, and the calls that we make. No I/O.

Who may be called writes a letter for each of its people every hour and lists who rings. Who calls writes one, reads the
other's, and rings. The owner carries out `wishes` and tells their outcome. `now` is monotone seconds, `clock` Unix
seconds, which may be wrong.
"""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from random import Random
from typing import Final

from core.errors import RemoteError
from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.signal.answering import Answering
from core.signal.caller import LASTS, RING_AGAIN, RUNG_FOR, WITNESS_AGAIN, Ringing, epochs
from core.signal.keys import DAY_HOURS, HOUR, Box, box, doors
from core.signal.letter import VALID, Letter, unseal
from core.signal.listed import Listed
from core.signal.own_letters import CONTACTS, OwnLetters
from core.signal.pace import SOONEST, Looks
from core.signal.wishes import (
    Called,
    Contact,
    Introduction,
    Listen,
    Located,
    Read,
    Ring,
    Rung,
    SignalEvent,
    Why,
    Wish,
    Witnessed,
    Write,
)  # fmt: skip
from core.values import Address

CALLS: Final = 8  # at a time; of more, the one begun first is given up
PER_NODE: Final = 4  # new ringers taken of one node's answer ...
PER_LOOK: Final = 12  # ... and of one look: lists fill with junk
AGAIN_RATE, AGAIN_BURST = 1 / 120.0, 3.0  # looks a second, and at once, that follow one soon: 1.2 MB a day with liars
RUNG_AGAIN: Final = 15.0  # seconds until somebody who is still listed is told again; a second call must not wait longer


class Exchange:
    """See the module. `bell(day)` is ours. `random` spreads and seals: a SystemRandom outside of tests."""

    def __init__(self, random: Random, bell: Callable[[int], bytes]) -> None:
        self._random = random
        self._bell = bell
        self._contacts: dict[Hashable, Contact] = {}
        self._ours = OwnLetters(random)
        self._known: BoundedTable[bytes, int] = BoundedTable(4 * CONTACTS)  # by box: the newest letter's number
        self._letters: BoundedTable[Hashable, tuple[Letter, int]] = BoundedTable(CONTACTS)  # and the epoch of its box
        self._calls: dict[Hashable, Ringing] = {}
        self._listening = False
        self._look_at = -math.inf
        self._looking: dict[int, int] = {}  # ringers taken, by wish
        self._looks = 0
        self._looked_at = -math.inf
        self._listed = Listed()
        self._rung: BoundedTable[Address, float] = BoundedTable(256)
        self._answering = Answering()
        self._soon = TokenBucket(AGAIN_RATE, AGAIN_BURST)
        self.pace = Looks()
        self._under_way: dict[int, tuple[Contact | None, Wish]] = {}
        self._last = 0
        self._wishes: list[Wish] = []
        self._events: list[SignalEvent] = []

    # -- what its owner says ------------------------------------------------------------------------------------------

    def know(self, contacts: Iterable[Contact]) -> None:
        """Take the people that we meet, instead of those before; the first CONTACTS of them can call us."""
        self._contacts = {each.name: each for each in contacts}
        self._ours.keep(self._contacts.keys())
        for gone in self._calls.keys() - self._contacts.keys():
            del self._calls[gone]

    def knows(self, name: Hashable) -> bool:
        """Return whether somebody can be called."""
        return name in self._contacts

    def be_at(self, addresses: Iterable[Address], nat: int, word: bytes = b"") -> None:
        """Take what our letters say; `word` is for all but those that have their own."""
        self._ours.be_at(addresses, nat, word)

    def say(self, name: Hashable, word: bytes) -> None:
        """Take what our next letter to a contact says beside; empty: what is said to all."""
        self._ours.say(name, word)

    def hurry(
        self, name: Hashable, now: float, clock: float, *, awaited: bool = True, unproved: bool = True
    ) -> None:  # fmt: skip
        """Exchange words with a contact quickly for a while; we call it if we do not yet.

        `unproved`: look who lists it as well.
        """
        if name not in self._calls:
            if len(self._calls) >= CALLS or name not in self._contacts:
                return
            self.call(name, now, clock, awaited=awaited)
        call = self._calls[name]
        call.hurry(now)
        call.unproved, call.until = unproved, max(call.until, now + LASTS / 2)

    def listen(self, on: bool, eager: bool) -> None:
        """Be there for callers, or not; `eager`: somebody waits."""
        self._listening, self.pace.wanted = on, eager

    def call(self, name: Hashable, now: float, clock: float, *, awaited: bool = True) -> None:
        """Call a contact, or go on with it; `awaited`: somebody waits. A letter read before is told at once."""
        known = self._calls.get(name)
        if known is None:
            while len(self._calls) >= CALLS:
                del self._calls[min(self._calls, key=lambda each: self._calls[each].began)]
            known = self._calls[name] = Ringing(self._contacts[name], now, now + LASTS, now)
            letter, epoch = self._letters.get(name, (None, 0))
            if letter is not None and abs(clock - letter.at) < VALID:
                known.letter, known.found_in = letter, epoch - int(clock) // HOUR
        known.until, known.awaited = now + LASTS, awaited
        if known.letter is not None:
            self._events.append(Located(name, known.letter, now - known.began))

    def hang_up(self, name: Hashable) -> None:
        """End a call. Idempotent."""
        self._calls.pop(name, None)

    # -- time ---------------------------------------------------------------------------------------------------------

    def tick(self, now: float, clock: float) -> None:
        """Wish for what is due."""
        for name in [name for name, call in self._calls.items() if call.until <= now]:
            del self._calls[name]
        self._write(now, clock)
        for call in self._calls.values():
            self._go_on(call, now, clock)
        if self._listening and now >= self._look_at:
            self._look(now, clock)
        for contact in self._answering.due(self._contacts.values(), now):
            if contact.name not in self._calls:
                self._read(contact, epochs(clock))

    def interval(self, now: float) -> float:
        """Return how many seconds are between two looks at our door."""
        return self.pace.interval(now, len(self._contacts))

    def lively(self) -> bool:
        """Return whether something may be due within a second: we call, or somebody waits for us to be called."""
        return bool(self._calls) or self.pace.eager

    def wishes(self) -> list[Wish]:
        """Return, and forget, what to ask of the DHT."""
        wishes, self._wishes = self._wishes, []
        return wishes

    def events(self) -> list[SignalEvent]:
        """Return, and forget, what has come."""
        events, self._events = self._events, []
        return events

    def _wish(self, wish: Wish, contact: Contact | None) -> None:
        self._under_way[wish.number] = (contact, wish)
        self._wishes.append(wish)

    def _why(self, name: Hashable) -> Why:
        call = self._calls.get(name)
        return Why.IDLE if call is None else Why.CALL if call.awaited else Why.VISIT

    def _number(self) -> int:
        self._last += 1
        return self._last

    def _write(self, now: float, clock: float) -> None:
        """Write letters: first to the contacts that we call, then to those that may call us."""
        listeners = list(self._contacts)[:CONTACTS] if self._listening else []
        for name in [*self._calls, *listeners]:
            call = self._calls.get(name)
            if self._ours.due(name, now, clock, hurried=call is not None and call.hurried(now)):
                contact, number = self._contacts[name], self._number()
                bell = self._bell(int(clock) // (HOUR * DAY_HOURS)) if self._listening else None
                wish = self._ours.write(contact, bell, now, clock, number=number, why=self._why(name))
                self._wish(wish, contact)

    def _go_on(self, call: Ringing, now: float, clock: float) -> None:
        if not call.reading and now >= call.read_at:
            epochs, part = call.to_read(clock)
            call.reading = self._read(call.contact, epochs, part)
        for each in call.doors(now, clock):
            if each not in call.ringing.values() and now >= call.rung.get(each, -math.inf):
                wish = Ring(self._number(), each, self._why(call.contact.name))
                call.ringing[wish.number] = each
                self._wish(wish, call.contact)
        if call.hurried(now):
            self._attest(call, now, clock)

    def _attest(self, call: Ringing, now: float, clock: float) -> None:
        """Have ourselves listed for this contact, and look who has it listed for us, until that is known."""
        ours = call.our_witness(clock)
        if call.attested != ours and call.attesting is None:
            call.attesting = self._number()
            self._wish(Ring(call.attesting, ours, self._why(call.contact.name)), call.contact)
        if call.unproved and not call.witnessing and now >= call.witness_at:
            call.witness_at = now + WITNESS_AGAIN
            for each in call.their_witness(clock):
                call.witnessing += 1
                self._wish(Listen(self._number(), each, why=self._why(call.contact.name)), call.contact)

    def _read(self, contact: Contact, of: Iterable[int], part: int = 0) -> int:
        boxes = [box(contact.secret, contact.theirs, epoch) for epoch in of]
        for each in boxes:
            why = self._why(contact.name)
            self._wish(Read(self._number(), each, self._known.get(each.public, -1), why, part), contact)
        return len(boxes)

    def _look(self, now: float, clock: float) -> None:
        """List who rings, unless the last look is not over."""
        interval = self.interval(now)
        self._look_at = now + interval
        if self._looking:
            return
        self._looks, self._looked_at = self._looks + 1, now
        self.pace.looked(now, interval)
        for each in doors(self._bell, clock):
            wish = Listen(self._number(), each, self.pace.part(self._looks), Why.EAGER if self.pace.eager else Why.IDLE)
            self._looking[wish.number] = 0
            self._wish(wish, None)

    # -- outcomes -----------------------------------------------------------------------------------------------------

    def ringers(self, number: int, listed: Iterable[Address], now: float, clock: float, node: str = "") -> None:
        """Take what one node, at the host `node`, lists at our door, or where a contact has itself listed.

        A ringer is answered once two nodes list its host; one that a single node lists waits for the end of the look.
        """
        contact, _ = self._under_way.get(number, (None, None))
        if contact is not None:
            hosts = list(dict.fromkeys(each.host for each in listed))[:PER_NODE]
            self._events += [Witnessed(contact.name, host, node) for host in hosts]
            return
        if number not in self._looking:
            return
        those = list(listed)
        self._listed.add(node, those, now)
        taken = 0
        for address in those:
            if taken >= PER_NODE or self._looking[number] >= PER_LOOK:
                return
            if now - self._rung.get(address, -math.inf) < RUNG_AGAIN or not self._listed.agreed(address, now):
                continue
            self._rung[address] = now
            self._looking[number] += 1
            taken += 1
            self._events.append(Rung(address))
            self._answer(address, now, clock)

    def _answer(self, address: Address, now: float, clock: float) -> None:
        """Find out who rings, and where else it is: by a letter that we have, or those that we read now."""
        for name, (letter, _) in self._letters.items():
            if letter.is_at(address) and name in self._contacts and abs(clock - letter.at) < VALID:
                self.pace.stir(now)
                self._events.append(Located(name, replace(letter, word=b""), None))  # its word may be an old one
                if name not in self._calls and self._answering.may_read_again(now):
                    self._read(self._contacts[name], epochs(clock))  # it may say something else by now
                return
        self._answering.rung(address, now)

    def came(self, number: int, sealed: object, sequence: int, now: float, clock: float) -> bool:
        """Take what is in a box; return whether it is a letter that is new. What is forged or old is not told."""
        contact, wish = self._under_way.get(number, (None, None))
        if contact is None or not isinstance(wish, Read):
            return False
        letter = self._read_letter(contact, wish.box, sealed, sequence, clock)
        if letter is None:
            return False
        self.pace.stir(now)
        call = self._calls.get(contact.name)
        self._events.append(Located(contact.name, letter, None if call is None else now - call.began))
        return True

    def _read_letter(self, contact: Contact, of: Box, sealed: object, sequence: int, clock: float) -> Letter | None:
        """Open a letter, and note it; None: it is forged, or not new."""
        if sequence <= self._known.get(of.public, -1):
            return None
        try:
            letter = unseal(sealed, of, sequence, clock)
        except RemoteError:
            return None
        self._known[of.public] = sequence
        self._answering.explained(letter.addresses)
        if letter.at >= self._letters.get(contact.name, (letter, 0))[0].at:
            self._letters[contact.name] = letter, of.epoch
        call = self._calls.get(contact.name)
        if call is not None and (call.letter is None or letter.at >= call.letter.at):
            call.heard(letter, of.epoch - int(clock) // HOUR)
        return letter

    # -- open peers, which hand letters on beside the DHT -------------------------------------------------------------

    def written(self, name: Hashable) -> Write | None:
        """Return our newest letter to a contact."""
        return self._ours.written(name)

    def boxes(self, name: Hashable, clock: float) -> list[Box]:
        """Return the boxes in which a contact's letters are now."""
        contact = self._contacts.get(name)
        return [] if contact is None else [box(contact.secret, contact.theirs, each) for each in epochs(clock)]

    def handed(
        self, name: Hashable, of: Box, sealed: object, sequence: int, now: float, clock: float, via: Introduction,
        *, rings: bool,
    ) -> bool:  # fmt: skip
        """Take a letter that an open peer hands on; return whether it is told. `rings`: its writer waits for us."""
        contact, call = self._contacts.get(name), self._calls.get(name)
        if contact is None:
            return False
        letter = self._read_letter(contact, of, sealed, sequence, clock)
        if letter is None and sequence == self._known.get(of.public) and name in self._letters:
            letter = replace(self._letters[name][0], word=b"")  # known from elsewhere
        if letter is None or (call is None and not rings):
            return False
        self.pace.stir(now)
        self._events.append(Located(name, letter, None if call is None else now - call.began, via))
        return True

    def done(self, number: int, taken: int, now: float) -> None:
        """Note the end of a wish; `taken`: by how many nodes."""
        contact, wish = self._under_way.pop(number, (None, None))
        if self._looking.pop(number, None) is not None:  # nobody's letter is read for those: one node may invent them
            alone = self._listed.alone(self._looked_at, now, self._random)
            self._events += [Rung(each) for each in alone]
            if alone and self._soon.take(now):  # another node may list one of them as well
                self._look_at = min(self._look_at, now + SOONEST)
        call = None if contact is None else self._calls.get(contact.name)
        if isinstance(wish, Write) and contact is not None:
            self._ours.done(contact.name, taken, now)
        elif isinstance(wish, Read) and call is not None and call.reading:
            call.read_done(now)
        elif isinstance(wish, Listen) and call is not None:
            call.witnessing = max(0, call.witnessing - 1)
        elif isinstance(wish, Ring) and call is not None and number == call.attesting:
            call.attesting = None
            call.attested = wish.door if taken else b""
        elif isinstance(wish, Ring) and call is not None and number in call.ringing:
            call.rung[call.ringing.pop(number)] = now + (RUNG_FOR if taken else RING_AGAIN)
            if taken:
                self._events.append(Called(call.contact.name, taken))

    def letters(self) -> int:
        """Return how many of our letters are kept by somebody."""
        return self._ours.kept()
