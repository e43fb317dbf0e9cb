"""The numbers of the ladder (NAT.md 8.4), as measured in tests/sim/test_ladder.py and tests/natlab."""

from dataclasses import fields

from core.frozen import dataclass


@dataclass(frozen=True, slots=True)
class ClimbConfig:
    """Raises ValueError when one of them makes no sense. Times are seconds."""

    # 768 open ports of 64,512 are met after 58 probes in half of all tries: within a second at the greatest rate that
    # the rule for probes allows. HyperDHT's 256 need 174. A program may have 1,024 sockets on most systems.
    sockets: int = 768
    sockets_block: int = 64  # in a carrier's block of 1,008 they are met after 11 probes, and leave the customer ports
    sockets_carrier: int = 64  # behind a carrier, whose quota may be 63 to 4,032 ports (NAT.md 2.1)
    sockets_pairs: int = 32  # each of which makes a pair with every port of the other block
    holes: int = 64  # opened by the side whose ports are in order, for the block of the other
    probes: int = 1750  # most of one round: HyperDHT's, 99.9 % for 256 sockets
    spacing: float = 0.01  # between probes: 100 a second, as the rule for probes has it
    opening: float = 0.00025  # between openers, which end on the way: all within 0.2 s
    begin: float = 0.05  # until the first probe of a birthday, so that the first openers are out
    window: int = 16  # ports around a predicted one that are tried: as many as other customers may take meanwhile
    rows: bool = False  # instead of exact ports; `window` ports are a row, and half as many packets go along it
    again: float = 0.2  # between packets on a flow that is open already; they take no port
    patience: float = 2.5  # of a predicted port: a round trip of 0.7 s (satellite) and its repetitions
    linger: float = 1.5  # after the last probe, for an answer
    settle: float = 0.05  # before a port is sampled: plain punches have taken theirs by then
    quick: float = 1.0  # before a predicted port is tried again, which costs a few packets
    quick_rounds: int = 3
    sample: float = 2.0  # for the reflector's answer, before a round goes on without it
    parley: float = 10.0  # until both have agreed on a round; two registrations and their answers at a slow broker
    pauses: tuple[float, ...] = (5.0, 15.0, 60.0, 600.0)  # before the next round, as long as somebody wants the path

    @classmethod
    def by_mail(cls) -> "ClimbConfig":
        """Return the numbers where words go by the mailboxes of the public DHT: each takes some 3 s, at worst 6.

        Meanwhile our own look-ups there take ports of a router that gives them out in order, so more of them are tried.
        """
        return cls(window=96, rows=True, parley=40.0, patience=12.0, pauses=(10.0, 20.0, 60.0, 600.0), quick=3.0)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool):
                continue
            if not (all(each > 0 for each in value) if isinstance(value, tuple) else value > 0):
                raise ValueError(f"ClimbConfig.{field.name} must be above 0")
