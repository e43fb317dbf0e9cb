"""The rungs as pure plans: which packets leave when, from which of our sockets, for where, and with which TTL.

Socket 0 is the serving one; 1 and up were opened for this try. Each plan is an iterator of `Planned`, soonest first.
"""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from core.frozen import dataclass
from core.nat.report import Ports
from core.nat.side import LEAST_PORT, Side
from core.punch.climb_config import ClimbConfig
from core.punch.puncher import OPENER_TTL
from core.punch.rungs import Choice, Rung
from core.values import Address

_MOST_PORT = 65535


class Planned(NamedTuple):
    """One packet: `at` seconds after the beginning, from socket `via`. `ttl` None: it is to arrive."""

    at: float
    via: int
    to: Address
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a plan is made from. `next_port`: the port that a reflector saw last of the other's newest socket."""

    choice: Choice
    ours: Side
    theirs: Side
    next_port: int | None
    random: Random
    config: ClimbConfig

    @property
    def host(self) -> str:
        """The only host that gets packets."""
        return self.theirs.address.host

    @property
    def opens(self) -> bool:
        """Whether it is us who open ports."""
        return self.choice.opener == 0


def sockets(choice: Choice, ours: Side, config: ClimbConfig) -> int:
    """Return how many sockets we need besides the serving one."""
    opens = choice.opener == 0
    match choice.rung:
        case Rung.EXACT | Rung.ROWS:
            return 1
        case Rung.PREDICT:
            return 1 if opens else 0
        case Rung.BIRTHDAY if opens:
            if ours.ports is Ports.BLOCK:
                return config.sockets_block
            return config.sockets_carrier if ours.carrier else config.sockets
        case Rung.BLOCKS:
            return 1 if opens else config.sockets_pairs
        case _:
            return 0


def samples(choice: Choice, ours: Side) -> bool:
    """Return whether the other has to know the port that our first fresh socket gets."""
    opens = choice.opener == 0
    if choice.rung in (Rung.EXACT, Rung.ROWS):
        return True
    return opens and ours.ports is Ports.IN_ORDER and choice.rung in (Rung.PREDICT, Rung.BLOCKS)


def wants_sample(choice: Choice, theirs: Side) -> bool:
    """Return whether we have to know theirs."""
    flipped = Choice(choice.rung, None if choice.opener is None else 1 - choice.opener)
    return samples(flipped, theirs)


def plan(scene: Scene) -> Iterator[Planned]:
    """Return the packets of a try."""
    match scene.choice.rung:
        case Rung.EXACT:
            return _exact(scene)
        case Rung.ROWS:
            return _open_row(scene) if scene.opens else _go_along_row(scene)
        case Rung.PREDICT:
            return _keep_open(scene, scene.theirs.address) if scene.opens else _find_predicted(scene)
        case Rung.BIRTHDAY:
            return _open_many(scene) if scene.opens else _find_one_of_many(scene)
        case Rung.BLOCKS if scene.opens:
            return _open_holes(scene)
        case Rung.BLOCKS:
            return _try_pairs(scene)
        case Rung.PLAIN:
            return iter(())


def _keep_open(scene: Scene, to: Address) -> Iterator[Planned]:
    """Open one port by a packet that ends on the way, and use it until the other's packets must have come."""
    yield Planned(0.0, 1, to, OPENER_TTL)
    at = 2.5 * scene.config.again  # the other side has sent by then, and its router knows us
    while at < scene.config.patience:
        yield Planned(at, 1, to)
        at += scene.config.again


def _exact(scene: Scene) -> Iterator[Planned]:
    if scene.next_port is not None:
        port = scene.next_port + scene.theirs.step
        if LEAST_PORT <= port <= _MOST_PORT:
            yield from _keep_open(scene, Address(scene.host, port))


def _find_predicted(scene: Scene) -> Iterator[Planned]:
    """Try the ports that come next, the soonest first, three times: each costs our router nothing."""
    if scene.next_port is None:
        return
    ports = [scene.next_port + scene.theirs.step * number for number in range(1, scene.config.window + 1)]
    usable = [port for port in ports if LEAST_PORT <= port <= _MOST_PORT]
    for turn in range(3):
        for number, port in enumerate(usable):
            at = turn * scene.config.patience / 4 + number * scene.config.spacing
            yield Planned(at, 0, Address(scene.host, port))


def _open_row(scene: Scene) -> Iterator[Planned]:
    """Open a port of ours toward each of theirs that come next: ours are a row as well, beginning we know not where."""
    for number, port in enumerate(_row(scene, range(1, scene.config.window + 1))):
        yield Planned(number * scene.config.opening, 1, Address(scene.host, port), OPENER_TTL)


def _go_along_row(scene: Scene) -> Iterator[Planned]:
    """Send along the other's row, each packet by our next port, and two of theirs further than the last.

    Our n-th packet leaves by our port kb + n, counted from the sampled one, where other packets of ours took kb. The
    other's port toward that one is ka + kb + n, counted likewise. So the packet that goes to 2 n - 1 fits when
    n = ka + kb + 1: the other packets of both sides together may be half a row.
    """
    ports = list(_row(scene, range(1, scene.config.window + 1, 2)))
    for turn in range(4):  # by the same ports: the other side may begin later
        for number, port in enumerate(ports):
            at = turn * scene.config.patience / 5 + scene.config.begin + number * scene.config.spacing
            yield Planned(at, 1, Address(scene.host, port))


def _row(scene: Scene, numbers: range) -> Iterator[int]:
    for number in numbers if scene.next_port is not None else ():
        port = (scene.next_port or 0) + scene.theirs.step * number
        if LEAST_PORT <= port <= _MOST_PORT:
            yield port


def _open_many(scene: Scene) -> Iterator[Planned]:
    for number in range(sockets(scene.choice, scene.ours, scene.config)):
        yield Planned(number * scene.config.opening, number + 1, scene.theirs.address, OPENER_TTL)


def _find_one_of_many(scene: Scene) -> Iterator[Planned]:
    """Try ports at random, each once; those of the block first, if there is one."""
    low, high = scene.theirs.block if scene.theirs.ports is Ports.BLOCK and scene.theirs.block else (0, -1)
    first = list(range(low, high + 1))
    scene.random.shuffle(first)
    first = first[: scene.config.probes]
    others = range(LEAST_PORT, _MOST_PORT + 1)
    left = scene.config.probes - len(first)
    then = [port for port in scene.random.sample(others, left + len(first)) if not low <= port <= high][:left]
    for number, port in enumerate((*first, *then)):
        yield Planned(scene.config.begin + number * scene.config.spacing, 0, Address(scene.host, port))


def _open_holes(scene: Scene) -> Iterator[Planned]:
    """Our ports are in order: open some toward ports of the other's block, and let it find them."""
    low, high = scene.theirs.block or (LEAST_PORT, _MOST_PORT)
    ports = scene.random.sample(range(low, high + 1), min(scene.config.holes, high - low + 1))
    for number, port in enumerate(ports):
        yield Planned(number * scene.config.spacing, 1, Address(scene.host, port), OPENER_TTL)


def _try_pairs(scene: Scene) -> Iterator[Planned]:
    """Try pairs of a port of ours, whichever it is, and one of theirs, each pair once."""
    config = scene.config
    targets: list[int] | range = []
    begin = 0.0
    if scene.theirs.ports is Ports.IN_ORDER:
        if scene.next_port is None:
            return
        step = scene.theirs.step
        targets = [scene.next_port + step * number for number in range(1, config.holes + 1)]
        begin = config.begin
    elif scene.theirs.block is not None:
        targets = range(scene.theirs.block[0], scene.theirs.block[1] + 1)
    targets = [port for port in targets if LEAST_PORT <= port <= _MOST_PORT]
    count = min(config.probes, config.sockets_pairs * len(targets))
    for number, pair in enumerate(scene.random.sample(range(config.sockets_pairs * len(targets)), count)):
        via, port = 1 + pair % config.sockets_pairs, targets[pair // config.sockets_pairs]
        yield Planned(begin + number * config.spacing, via, Address(scene.host, port))
