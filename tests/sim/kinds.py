"""The 14 kinds of networks of the kernel lab (`tests.natlab.kinds`), in the simulated Internet: same names, same rules.

A router here works as Linux' conntrack does: a flow is a pair of an inside and a remote address, and gets its port when
its first datagram leaves. Two flows may share a port when their remotes differ.
"""

import random
from dataclasses import dataclass

from core.values import Address
from tests.natlab.kinds import LAYERS, Door, Kind, Layer, Ports
from tests.sim.world import Host, Nat, World

TIMEOUT = 30.0  # seconds without a datagram from inside: Linux' one-way time
TRAPPED = 30.0  # seconds that an unknown datagram from outside occupies a port
BLOCK = (42000, 43007)
_FLIP = (0x1555, 0x0B0B)


@dataclass(slots=True)
class _Flow:
    inside: Address
    port: int
    used_at: float


class FlowTable:
    """The flows of one router. Times are the world's seconds."""

    def __init__(self, layer: Layer, rng: random.Random, depth: int = 0) -> None:
        self.hairpins = False
        self._layer, self._rng, self._flip = layer, rng, _FLIP[depth % len(_FLIP)]
        self._next = rng.randrange(20000, 50000)
        self._flows: dict[tuple[Address, Address], _Flow] = {}
        self._taken: dict[tuple[int, Address], _Flow] = {}
        self._inside: dict[int, _Flow] = {}
        self._by_host: dict[tuple[Address, str], int] = {}
        self._trapped: dict[tuple[int, Address], float] = {}

    def outbound(self, inside: Address, remote: Address, now: float) -> int:
        """Return the outside port; makes or refreshes the flow."""
        flow = self._flows.get((inside, remote))
        if flow is None or now - flow.used_at > TIMEOUT:
            flow = _Flow(inside, self._port(inside, remote, now), now)
            self._flows[inside, remote] = self._taken[flow.port, remote] = flow
        flow.used_at = now
        self._inside[flow.port] = flow
        return flow.port

    def inbound(self, port: int, remote: Address, now: float) -> Address | None:
        """Return the inside address; None when the datagram is not let in."""
        flow = self._taken.get((port, remote))
        if flow is not None and now - flow.used_at <= TIMEOUT:
            return flow.inside
        door = self._inside.get(port)
        if door is not None and now - door.used_at <= TIMEOUT and self._lets_in(door, remote):
            return door.inside
        if self._layer.trap:
            self._trapped[port, remote] = now
        return None

    def flush(self) -> None:
        """Forget everything."""
        self._flows.clear()
        self._taken.clear()
        self._inside.clear()
        self._trapped.clear()

    def _lets_in(self, door: _Flow, remote: Address) -> bool:
        if self._layer.door is Door.ANYBODY:
            return True
        told = (flow for (inside, to), flow in self._flows.items() if inside == door.inside and to.host == remote.host)
        return self._layer.door is Door.SAME_HOST and any(flow.port == door.port for flow in told)

    def _port(self, inside: Address, remote: Address, now: float) -> int:
        port = self._wanted(inside, remote)
        while not self._free(port, inside, remote, now):
            port = self._rng.randint(*BLOCK) if self._layer.ports is Ports.BLOCK else self._rng.randrange(1024, 65536)
        return port

    def _wanted(self, inside: Address, remote: Address) -> int:
        match self._layer.ports:
            case Ports.FLIPPED:
                return inside.port ^ self._flip
            case Ports.BY_HOST:
                return self._by_host.setdefault((inside, remote.host), self._rng.randrange(4000, 64000))
            case Ports.IN_ORDER:
                self._next += 1
                return self._next
            case Ports.RANDOM:
                return self._rng.randrange(1024, 65536)
            case Ports.BLOCK:
                return self._rng.randint(*BLOCK)
            case _:
                return inside.port

    def _free(self, port: int, inside: Address, remote: Address, now: float) -> bool:
        holder = self._taken.get((port, remote))
        held = holder is not None and holder.inside != inside and now - holder.used_at <= TIMEOUT
        return not held and now - self._trapped.get((port, remote), -TRAPPED) >= TRAPPED


def place(world: World, kind: Kind, number: int) -> Host:
    """Return a host in a network of a kind; `number` tells the networks apart. No-UDP is no network here."""
    outside, inside = f"198.51.100.{number}", f"192.168.{number}.7"
    layers = LAYERS[kind]
    if not layers:
        return world.host(outside)
    nat: World | Nat = world
    for depth, layer in enumerate(layers):
        address = outside if depth == 0 else f"100.64.{number}.2"
        nat = nat.nat(address, FlowTable(layer, world.random, depth))
    assert isinstance(nat, Nat)
    return nat.host(inside)
