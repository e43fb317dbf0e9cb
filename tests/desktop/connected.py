"""A scene of its own: a peer that reaches others in every way, with what was tried."""

from dataclasses import replace

from core.mapping.status import PortOpen
from core.nat.report import Filtering, Mapping, NatReport, Ports
from core.news.events import NatSnapshot, PeerSnapshot, PublicDhtSnapshot
from core.news.relays import PassedPair, PassingSnapshot, RelayedPeer, RelaysSnapshot
from core.news.seen import Attempt, Connections, Outcome, PathRow, Step, Via
from core.values import Address
from tests.desktop.fake_peer import ALICE, ANNA, BEN, BOB, CLEO, DORA, EVE, NOW, OBSERVED, broker_snapshot

MINE = "Both sides sent at the same time, and so opened their routers."
PASSED = "No direct way was found yet, so Bert passes the packets on. It cannot read them."
FAILED = "no answer within 2.0 s: its router or ours lets nothing through, or it has gone"
NEIGHBOUR = Address("192.168.1.9", 40100)
VIRTUAL = Address("240.0.0.9", 1)


def paths(now: float = NOW) -> tuple[PathRow, ...]:
    """Return one of each way."""
    near = "Both are in the same network: nothing leaves your home."
    better = "Open a port on your router, or let it open one: see the settings."
    return (
        PathRow(ANNA, Via.PUNCHED, "plain punching", "", ALICE, 0.0382, 0.002, now - 4000, now - 0.4, MINE),
        PathRow(NEIGHBOUR, Via.LAN, "", "", BOB, 0.0012, 0.0, now - 900, now - 1, near),
        PathRow(BEN, Via.DIRECT, "", "", None, 0.182, None, now - 60, now - 2, "Packets go straight there."),
        PathRow(VIRTUAL, Via.RELAYED, "", "Bert", EVE, 0.21, 0.025, now - 8, now - 2, PASSED, better),
    )


def attempts(now: float = NOW) -> tuple[Attempt, ...]:
    """Return attempts that go on, failed and came through, the newest first."""
    search = (
        Step(now - 70, "network", "this network: nobody known by that key"),
        Step(now - 69.7, "record", f"its own record: at {ANNA}"),
        Step(now - 69.2, "way", f"connected directly to {ANNA}, after 0.8 s"),
    )
    punch = Step(now - 69.7, "punch", f"punching {ANNA}")
    gone = (Step(now - 30, "punch", f"punching {DORA}"), Step(now - 28, "outcome", FAILED))
    going = (Step(now - 2, "punch", f"punching {CLEO}"),)
    opened = "open after 380 ms"
    return (
        Attempt(4, None, CLEO, now - 2, None, 15, 0, 1, Outcome.GOING_ON, "", "", None, going),
        Attempt(3, None, DORA, now - 30, now - 28, 11, 0, 3, Outcome.FAILED, FAILED, "", None, gone),
        Attempt(2, ALICE, None, now - 70, now - 69.2, 0, 0, 1, Outcome.OPEN, search[2].message, "", None, search),
        Attempt(1, None, ANNA, now - 69.7, now - 69.3, 6, 2, 1, Outcome.OPEN, opened, "plain punching", ANNA, (punch,)),
    )


def relays(now: float = NOW) -> RelaysSnapshot:
    """Return a peer that passes on for two pairs of friends, and has two who could for it."""
    pairs = (PassedPair((ALICE, BOB), 318_400_000), PassedPair((BOB, EVE), 4_200))
    passing = PassingSnapshot("friends", 3, pairs, 318_404_200, 1_204_000_000, 20_000_000_000, 4_000_000, chosen="auto")
    reached = RelayedPeer(EVE, VIRTUAL, None, BOB, "Bert", 0.21, 0.025, 8.0, "relayed by Bert")
    return RelaysSnapshot(passing, ("Bert", "Anna's greenhouse"), (reached,), uses=True)


def connected_snapshot(now: float = NOW) -> PeerSnapshot:
    """Return the broker of `fake_peer` among them, behind a usual router."""
    report = NatReport(Mapping.ENDPOINT_INDEPENDENT, Filtering.STRICT, Ports.KEPT, observed=(OBSERVED,), reflectors=3)
    words = ("A usual router.", "Friends reach this peer, with the help of a broker.", "Keep a broker in the settings.")
    port = PortOpen(None, "", "The router opens no port when it is asked.")
    nat = NatSnapshot(report, True, *words, True, port)
    public = PublicDhtSnapshot(on=True, nodes=48, message="48 nodes of the public DHT answer.")
    seen = Connections(paths(now), attempts(now))
    return replace(broker_snapshot(now), revision=45, connections=seen, nat=nat, public_dht=public, relays=relays(now))
