"""One call: we write where we are, read where the other is, and ring its bell, until somebody hangs up."""

from dataclasses import dataclass, field
from typing import Final

from core.signal.keys import BELL_EPOCH, HOUR, door
from core.signal.letter import Letter
from core.signal.wishes import Contact

LASTS: Final = 60.0  # seconds that a call goes on after it was wished the last time
READ_AGAIN: Final = 2.5  # seconds until the other's box is read again while nothing is in it; it may just have started
READ_RARELY: Final = 10.0  # once we know where it is: it may have moved
RING_AGAIN: Final = 3.0  # seconds, when no node took it
RUNG_FOR: Final = 240.0  # seconds that nodes keep us listed; BEP 5 nodes do for 15 minutes and more
PATIENCE: Final = 8.0  # seconds in which a call is answered whose other side looks every 5 s
AHEAD: Final = 600  # seconds by which a letter may be ahead of our clock before we ring in the other's hour
HOUR_OF_BELLS: Final = HOUR // BELL_EPOCH


def epochs(clock: float, far: bool = False) -> tuple[int, int]:
    """Return this hour and the nearer neighbour, which is the other's if one clock is wrong; `far`: the farther one."""
    now = int(clock) // HOUR
    nearer = -1 if clock % HOUR < HOUR / 2 else 1
    return now, now + (-nearer if far else nearer)


@dataclass(slots=True)
class Call:
    """A call that is under way. Times are monotone seconds."""

    contact: Contact
    began: float
    until: float
    read_at: float
    reads: int = 0  # rounds so far
    reading: int = 0  # wishes under way
    ringing: dict[int, bytes] = field(default_factory=dict)  # doors, by wish
    rung: dict[bytes, float] = field(default_factory=dict)  # when each door may be rung again; a handful per call
    letter: Letter | None = None
    found_in: int = 0  # epochs between ours and that of the box it was in

    def doors(self, now: float, clock: float) -> list[bytes]:
        """Return where to ring now: the other's door; and beside it, if that does not help or a clock seems wrong.

        A clock that is wrong by something else than up to five minutes, or an hour, is beyond us.
        """
        if self.letter is None or self.letter.bell is None:
            return []
        shifts = [0] if now - self.began < PATIENCE else [0, 1, -1]
        if self.letter.at > clock + AHEAD:
            shifts.append(HOUR_OF_BELLS)
        elif self.found_in < 0 and clock % HOUR > AHEAD:
            shifts.append(-HOUR_OF_BELLS)
        return [door(self.letter.bell, int(clock) // BELL_EPOCH + shift) for shift in shifts]

    def read_done(self, now: float) -> None:
        """Note the end of a read."""
        self.reading -= 1
        if not self.reading:
            self.reads += 1
            self.read_at = now + (READ_AGAIN if self.letter is None else READ_RARELY)
