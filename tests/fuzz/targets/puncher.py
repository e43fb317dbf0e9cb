"""A puncher, whatever comes from wherever and whatever is punched: nothing raises but LocalError for what cannot be.
Tables and queues stay within their bounds, a series is at most so many packets, and all of them end.
"""

from core.errors import LocalError
from core.punch.events import PunchFinished
from core.punch.puncher import PunchConfig, Puncher
from core.values import Address
from core.wire.punch_packet import PunchPacket
from tests.fuzz.inputs import Input

WATCHED = ["core.punch", "core.wire.punch_packet"]
CONFIG = PunchConfig(series=4, remembered=4, pending=8, acks_each=2, acks_all=5)
HOSTS = ("192.0.2.1", "198.51.100.7", "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "grape")
DATA = (*(packet.value for packet in PunchPacket), b"", b"\xc3", b"\xc3\xbf\x07", b"\x21" + bytes(19), b"d1:ye")
WAITS = (0.0, 0.0, 0.01, 0.05, 0.05, 0.3, 1.0, 40.0)
SEEDS = [bytes([0, 0, 1, 0, 1, 1, 0, 0, 2]) * 10, bytes(range(60)), bytes([0, 0, 0, 3]) * 12 + bytes([1, 0, 0, 1])]
MAX_INPUT = 600


def run(data: bytes) -> None:
    source, puncher, now = Input(data), Puncher(CONFIG), 0.0
    finished = 0
    begun = 0
    while source:
        where = Address(source.choose(HOSTS), source.byte() % 3 * 1000)
        what = source.byte() % 4
        if what == 0:
            try:
                before = where in puncher._series
                puncher.punch(where, now)
                begun += not before
            except LocalError:
                pass
        elif what < 3:
            puncher.receive([source.choose(DATA)] * (source.byte() % 12), where, now)
        else:
            puncher.confirm(where, now)
        if source.byte() & 1:  # a pump may be late: then what waits is bounded
            finished += pumped(puncher, now)
        now += source.choose(WAITS)
        puncher.tick(now)
        check(puncher)
    for _ in range(40):
        finished += pumped(puncher, now)
        now = max(now, puncher.deadline() or now)
        puncher.tick(now)
    finished += pumped(puncher, now)
    statistics = puncher.statistics()
    if not puncher.idle() or statistics.running or (finished > begun):
        raise AssertionError(f"{begun} series began and {finished} ended: {statistics}")
    if statistics.punches_sent > begun * CONFIG.packets:
        raise AssertionError(f"too many punches: {statistics}")


def pumped(puncher: Puncher, now: float) -> int:
    """Do what a pump does; return how many series ended."""
    for burst in puncher.transmit(now):
        if burst.to.host in HOSTS[3:] or not burst.to.port:
            raise AssertionError(f"sent to {burst.to}")
    return sum(isinstance(event, PunchFinished) for event in puncher.events())


def check(puncher: Puncher) -> None:
    """Check the bounds."""
    if (
        len(puncher._series) + len(puncher._settling) > CONFIG.series
        or len(puncher._known) > CONFIG.remembered
        or len(puncher._events) > CONFIG.pending
        or puncher._outgoing_count > CONFIG.pending
    ):
        raise AssertionError("a table is over its bound")
