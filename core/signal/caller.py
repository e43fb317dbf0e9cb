"""One call: we write where we are, read where the other is, and ring its bell, until somebody hangs up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from core.signal.keys import BELL_EPOCH, HOUR, door, witness
from core.signal.letter import Letter
from core.signal.wishes import Contact

LASTS: Final = 60.0  # seconds that a call goes on after it was wished the last time
READ_AGAIN: Final = 2.5  # seconds until the other's box is read again while nothing is in it; it may just have started
READ_RARELY: Final = 10.0  # once we know where it is, and it had time to say more: it may have moved
ANSWERS: Final = 30.0  # seconds of a call in which a letter may be the answer to it: the other looked, and wrote
WHOLE: Final = 4  # of so many reads one asks all eight nodes that keep a box ...
OTHERS: Final = 16  # ... and one looks into the boxes of other hours, where the other side's hour may have ended
READ_SOON: Final = 1.5  # while the two agree how to open the way, each word waits for the other's; and at first
WITNESS_AGAIN: Final = 2.0  # seconds between two looks for who lists the other side
HURRY: Final = 3.0  # seconds that a hurry lasts after it was asked for the last time
RING_AGAIN: Final = 3.0  # seconds, when no node took it
RUNG_FOR: Final = 240.0  # seconds that nodes keep us listed; BEP 5 nodes do for 15 minutes and more
PATIENCE: Final = 12.0  # seconds in which a call is answered whose other side looks every 11 s
AHEAD: Final = 600  # seconds by which a letter may be ahead of our clock before we ring in the other's hour
HOUR_OF_BELLS: Final = HOUR // BELL_EPOCH


def epochs(clock: float, far: bool = False) -> tuple[int, int]:
    """Return this hour and the nearer neighbour, which is the other's if one clock is wrong; `far`: the farther one."""
    now = int(clock) // HOUR
    nearer = -1 if clock % HOUR < HOUR / 2 else 1
    return now, now + (-nearer if far else nearer)


@dataclass(slots=True)
class Ringing:
    """A call that we make is under way. Times are monotone seconds."""

    contact: Contact
    began: float
    until: float
    read_at: float
    awaited: bool = True
    reads: int = 0  # rounds so far
    reading: int = 0  # wishes under way
    ringing: dict[int, bytes] = field(default_factory=dict)  # doors, by wish
    rung: dict[bytes, float] = field(default_factory=dict)  # when each door may be rung again; a handful per call
    letter: Letter | None = None
    found_in: int = 0  # epochs between ours and that of the box it was in
    letters: int = 0  # that came in this call; the first may be an old one
    hurried_until: float = 0.0  # until then words are waited for
    attested: bytes = b""  # the door of witnesses where we have ourselves listed
    attesting: int | None = None  # the wish
    unproved: bool = True  # who lists the other side is of interest
    witnessing: int = 0  # wishes under way
    witness_looks: int = 0
    witness_at: float = 0.0  # when to look next

    def doors(self, now: float, clock: float) -> list[bytes]:
        """Return where to ring now: the other's door; and beside it, if that does not help or a clock seems wrong.

        A clock that is wrong by something else than up to five minutes, or an hour, is beyond us.
        """
        if self.letter is None or self.letter.bell is None:
            return []
        alive = self.letters > 1 or self.hurried(now)
        shifts = [0] if alive or now - self.began < PATIENCE else [0, 1, -1]
        if self.letter.at > clock + AHEAD:
            shifts.append(HOUR_OF_BELLS)
        elif self.found_in < 0 and clock % HOUR > AHEAD:
            shifts.append(-HOUR_OF_BELLS)
        return [door(self.letter.bell, int(clock) // BELL_EPOCH + shift) for shift in shifts]

    def to_read(self, clock: float) -> tuple[Sequence[int], int]:
        """Return the hours whose boxes to read now, and the part of their nodes to ask (`Read.part`).

        Mostly it is the one box where the last letter was, or the two likeliest, and three of eight nodes.
        """
        part = self.reads if self.reads % WHOLE else 0
        if self.letter is None:
            return epochs(clock, far=(self.reads + self.reads // WHOLE) % 2 == 1), part
        if self.reads % OTHERS:
            return (int(clock) // HOUR + self.found_in,), part
        return epochs(clock, far=self.reads // OTHERS % 2 == 1), part

    def heard(self, letter: Letter, found_in: int) -> None:
        """Take a letter of the other side that is new."""
        self.letter, self.found_in = letter, found_in
        self.letters += 1

    def read_done(self, now: float) -> None:
        """Note the end of a read."""
        self.reading -= 1
        if not self.reading:
            self.reads += 1
            waits = self.letter is None or now - self.began < ANSWERS
            begins = self.letter is None and now - self.began < PATIENCE  # all else waits for where the other is
            soon = begins or self.hurried(now)
            self.read_at = now + (READ_SOON if soon else READ_AGAIN if waits else READ_RARELY)

    def hurry(self, now: float) -> None:
        """Read often for a while."""
        if not self.hurried(now):
            self.read_at = min(self.read_at, now)
        self.hurried_until = now + HURRY

    def hurried(self, now: float) -> bool:
        """Return whether words are waited for."""
        return now < self.hurried_until

    def our_witness(self, clock: float) -> bytes:
        """Return where we have ourselves listed for the other side now."""
        return witness(self.contact.secret, self.contact.ours, int(clock) // BELL_EPOCH)

    def their_witness(self, clock: float) -> list[bytes]:
        """Return where it is listed: of this epoch, and in turn of its nearer neighbour, as clocks differ."""
        now = int(clock) // BELL_EPOCH
        nearer = -1 if clock % BELL_EPOCH < BELL_EPOCH / 2 else 1
        self.witness_looks += 1
        shift = 0 if self.witness_looks % 2 else nearer
        return [witness(self.contact.secret, self.contact.theirs, now + shift)]
