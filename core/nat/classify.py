"""From samples to a report. A sample: one of our sockets asked one reflector, and this is what it saw.

The mapping is judged by the sockets that asked several reflectors. Which ports new mappings get is judged by all
samples in the order in which they were taken. Two hosts are needed to trust in one port for all: with one host, a NAT
that gives each remote host another port looks the same.
"""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from core.frozen import frozen
from core.nat.report import Filtering, Mapping, NatReport, Ports
from core.scope import Scope, scope
from core.values import Address

MAX_STEP = 16  # ports from one new mapping to the next, other customers' included; more is no order to rely on
BLOCK_MAX = 4096  # ports; the largest share of a customer that carriers give is 4,032 (NAT.md 2.1)
BLOCK_SAMPLES = 12  # distinct ports until a range is one: random ports lie in 4,096 of 64,512 with 10**-12
_SURE = {1: 0.5, 2: 0.8, 3: 0.9}  # by reflector hosts that agree; four observers are the usual threshold (NAT.md 1)


@frozen
class Sample:
    """`inside`: the asking socket, whose host may be unspecified. `at`: when it asked, monotone seconds."""

    inside: Address
    reflector: Address
    observed: Address
    at: float


@frozen
class Trial:
    """What was tried besides samples. `other_port`: whether an answer from another port of a reflector came in.

    `online`: something else than UDP shows that there is a network. None: not tried.
    """

    asked: int = 0
    own_hosts: Collection[str] = ()
    other_port: bool | None = None
    hairpin: bool | None = None
    online: bool = False
    lifetime: float | None = None


def classify(samples: Sequence[Sample], serving: Address, trial: Trial, now: float) -> NatReport:
    """Return what the samples say of the network of the socket `serving`; never raises."""
    mine = [each for each in samples if each.inside.port == serving.port]
    carrier = any(scope(host) is Scope.CARRIER for host in trial.own_hosts)
    if not samples:
        return NatReport(asked=trial.asked, blocked=bool(trial.asked and trial.online), carrier=carrier, at=now)
    newest = sorted(mine or samples, key=lambda each: -each.at)
    observed = tuple(dict.fromkeys(each.observed for each in newest))
    mapping = _mapping(samples, trial.own_hosts)
    ports, step, block = _ports(samples, mapping)
    reflectors = {each.reflector for each in samples}
    hosts = len({each.host for each in reflectors})
    return NatReport(
        mapping=mapping,
        filtering=_filtering(trial.other_port),
        ports=ports,
        step=step,
        block=block,
        observed=observed,
        reflectors=len(reflectors),
        hosts=hosts,
        asked=max(trial.asked, len(reflectors)),
        carrier=carrier,
        hairpin=trial.hairpin,
        lifetime=trial.lifetime,
        confidence=_confidence(mapping, hosts, samples),
        at=now,
    )


def _filtering(other_port: bool | None) -> Filtering:
    if other_port is None:
        return Filtering.UNKNOWN
    return Filtering.LOOSE if other_port else Filtering.STRICT


def _mapping(samples: Sequence[Sample], own_hosts: Collection[str]) -> Mapping:
    if all(each.observed.host in own_hosts and each.observed.port == each.inside.port for each in samples):
        return Mapping.NONE
    by_socket: defaultdict[int, list[Sample]] = defaultdict(list)
    for each in samples:
        by_socket[each.inside.port].append(each)
    found = [
        _of_socket({each.reflector: each.observed for each in sorted(taken, key=lambda each: each.at)})
        for taken in by_socket.values()
    ]
    if Mapping.ADDRESS_DEPENDENT not in found:
        found = [Mapping.ADDRESS_AND_PORT_DEPENDENT if each is None else each for each in found]
    return max((each for each in found if each is not None), key=_HARDNESS.index)


_HARDNESS = [
    Mapping.UNKNOWN, Mapping.NONE, Mapping.ENDPOINT_INDEPENDENT, Mapping.ADDRESS_DEPENDENT,
    Mapping.ADDRESS_AND_PORT_DEPENDENT,
]  # fmt: skip


def _of_socket(seen: dict[Address, Address]) -> Mapping | None:
    """Judge one socket by what each reflector saw; None: a hard one, and either kind of them."""
    if len(seen) < 2:
        return Mapping.UNKNOWN
    if len({each.port for each in seen.values()}) == 1:  # several hosts at one port: a pool of outside hosts
        return Mapping.ENDPOINT_INDEPENDENT
    by_host: defaultdict[str, set[int]] = defaultdict(set)
    asked: defaultdict[str, int] = defaultdict(int)
    for reflector, observed in seen.items():
        by_host[reflector.host].add(observed.port)
        asked[reflector.host] += 1
    if any(len(ports) > 1 for ports in by_host.values()):
        return Mapping.ADDRESS_AND_PORT_DEPENDENT
    if any(asked[host] > 1 for host in by_host):
        return Mapping.ADDRESS_DEPENDENT
    return None  # each host was asked once


def _ports(samples: Sequence[Sample], mapping: Mapping) -> tuple[Ports, int, tuple[int, int] | None]:
    if mapping in (Mapping.UNKNOWN, Mapping.NONE):
        return (Ports.KEPT if mapping is Mapping.NONE else Ports.UNKNOWN), 0, None
    if mapping is Mapping.ENDPOINT_INDEPENDENT:
        kept = all(each.observed.port == each.inside.port for each in samples)
        return (Ports.KEPT if kept else Ports.FIXED), 0, None
    ports = list(dict.fromkeys(each.observed.port for each in sorted(samples, key=lambda each: each.at)))
    step = _step(ports)
    if step:
        return Ports.IN_ORDER, step, (min(ports), max(ports))
    if len(ports) >= BLOCK_SAMPLES and max(ports) - min(ports) <= BLOCK_MAX:
        return Ports.BLOCK, 0, widened(ports)
    return Ports.RANDOM, 0, None


def _step(ports: Sequence[int]) -> int:
    """Return the usual step of ports in the order in which they were given out; 0 when there is no order."""
    steps = [after - before for before, after in itertools.pairwise(ports)]
    small = [step for step in steps if 0 < step <= MAX_STEP]
    if not steps or len(small) < 0.8 * len(steps):  # a wrap, or two answers that swapped places, is no disorder
        return 0
    return max(set(small), key=lambda step: (small.count(step), -step))


def widened(ports: Iterable[int]) -> tuple[int, int]:
    """Return the range that a block has, seen from some of its ports: the gap of a uniform sample at both ends."""
    known = sorted(ports)
    gap = max(16, 2 * (known[-1] - known[0]) // max(1, len(known) - 1))
    return max(1024, known[0] - gap), min(65535, known[-1] + gap)


def _confidence(mapping: Mapping, hosts: int, samples: Sequence[Sample]) -> float:
    if mapping is Mapping.UNKNOWN:
        return 0.2
    if mapping.hard:  # two different ports were seen: that cannot be by chance
        return 0.9 if len(samples) > 2 else 0.8
    return _SURE.get(hosts, 0.95)
