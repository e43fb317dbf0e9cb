"""Our letters: what they say, and which are due. At most two are under way at a time."""

import math
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.signal.keys import HOUR, box
from core.signal.letter import Letter, seal
from core.signal.wishes import Contact, Why, Write
from core.values import Address

CONTACTS: Final = 64  # people that letters are written to; of more, the first. Each costs 0.4 MB a day
RENEW: Final = 3000.0  # seconds; before BEP 44's two hours are over, and before the next hour's box is needed
MOVED: Final = 15.0  # seconds between two letters to one contact, however often we move
WRITING: Final = 2  # letters under way at a time
SOON: Final = 1.0  # seconds between two letters to a contact while words go both ways, or the first had no word ...
SOON_RATE, SOON_BURST = 1 / 30, 20.0  # ... of which there are so many a second, and at once; then it is MOVED again


@dataclass(slots=True)
class _Ours:
    """Our letter to one contact."""

    epoch: int = 0
    sequence: int = 0
    at: float = -math.inf
    edition: int = -1
    under_way: bool = False
    word: bytes = b""  # of the last


class OwnLetters:
    """Times are the caller's monotone seconds, `clock` is Unix seconds."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._ours: dict[Hashable, _Ours] = {}
        self._written: dict[Hashable, Write] = {}  # the newest to each contact
        self._addresses: tuple[Address, ...] = ()
        self._nat = 0
        self._edition = 0  # of what our letters say
        self._word = b""  # for everybody
        self._words: BoundedTable[Hashable, bytes] = BoundedTable(CONTACTS)  # for one contact, instead
        self._soon = TokenBucket(SOON_RATE, SOON_BURST)

    def be_at(self, addresses: Iterable[Address], nat: int, word: bytes) -> None:
        """Take what our letters say; `word` is for all but those that have their own."""
        said = tuple(addresses)
        if (said, nat, word) != (self._addresses, self._nat, self._word):
            self._addresses, self._nat, self._word = said, nat, word
            self._edition += 1

    def say(self, name: Hashable, word: bytes) -> None:
        """Take what our next letter to a contact says beside; empty: what is said to all."""
        if word:
            self._words[name] = word
        else:
            self._words.pop(name, None)

    def keep(self, names: Collection[Hashable]) -> None:
        """Forget all but these."""
        for gone in self._ours.keys() - set(names):
            del self._ours[gone]
            self._written.pop(gone, None)

    def due(self, name: Hashable, now: float, clock: float, *, hurried: bool) -> bool:
        """Return whether a letter is to be written to a contact now; `hurried`: words go both ways."""
        ours = self._ours.setdefault(name, _Ours())
        if ours.under_way or sum(each.under_way for each in self._ours.values()) >= WRITING:
            return False
        if ours.epoch != int(clock) // HOUR or now - ours.at >= RENEW:
            return True
        word = self._words.get(name, self._word)
        if ours.edition == self._edition and ours.word == word:
            return False
        soon = hurried or (word and not ours.word)  # written before our network was known: without it nobody can climb
        if soon and now - ours.at >= SOON and self._soon.take(now):
            return True
        return now - ours.at >= MOVED

    def write(
        self, contact: Contact, bell: bytes | None, now: float, clock: float, *, number: int, why: Why
    ) -> Write:  # fmt: skip
        """Return the wish of a letter to a contact, which is under way from now on; `bell`: None, we do not listen."""
        epoch, ours = int(clock) // HOUR, self._ours.setdefault(contact.name, _Ours())
        ours.epoch, ours.at, ours.edition, ours.under_way = epoch, now, self._edition, True
        ours.sequence = max(ours.sequence + 1, int(clock * 1000))
        ours.word = self._words.get(contact.name, self._word)
        letter = Letter(int(clock), self._addresses, bell, self._nat, ours.word)
        into = box(contact.secret, contact.ours, epoch)
        sealed = seal(letter, into, ours.sequence, self._random)
        wish = self._written[contact.name] = Write(number, into, sealed, ours.sequence, why)
        return wish

    def written(self, name: Hashable) -> Write | None:
        """Return the newest letter to a contact."""
        return self._written.get(name)

    def done(self, name: Hashable, taken: int, now: float) -> None:
        """Note the end of a writing, and by how many nodes it was taken."""
        ours = self._ours.get(name)
        if ours is None:
            return
        ours.under_way = False
        if not taken:  # nobody took it: again, soon
            ours.at, ours.edition = now, -1

    def kept(self) -> int:
        """Return how many letters are kept by somebody."""
        return sum(each.edition >= 0 and not each.under_way for each in self._ours.values())
