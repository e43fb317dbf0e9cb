"""A home's network: machines on one switch, out of Linux network namespaces, with a way to see what each one sends."""

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.natlab.namespaces import (
    batch,
    configure,
    entered,
    inside,
    load_rules,
    namespaces,
    remove,
    remove_leftovers,
    run,
    stem,
)

MDNS_6 = "ff02::fb"
NETWORK = "192.168.50"
GATEWAY = f"{NETWORK}.254"  # nobody is there: what goes to the Internet is seen, and goes nowhere
_OUTGOING = 4  # PACKET_OUTGOING, linux/if_packet.h
_ALL_PACKETS = 0x0003  # ETH_P_ALL


class Machine:
    """One machine of the network."""

    def __init__(self, namespace: str, host: str) -> None:
        self.namespace = namespace
        self.host = host

    @property
    def inside(self) -> Sequence[str]:
        """Prefix of a command that runs on it."""
        return inside(self.namespace)

    def filter(self, rules: str) -> None:
        """Have these lines in a chain for packets that come in."""
        chain = "type filter hook input priority filter; policy accept;"
        load_rules(self.namespace, f"table inet firewall {{\nchain input {{\n{chain}\n{rules}\n}}\n}}\n")


def systems_own(host: str) -> bool:
    """Return whether a system itself sends there, of each network: IGMP, MLD, routers, neighbours' addresses."""
    return host in ("224.0.0.22", "ff02::16", "ff02::2") or host.startswith("ff02::1:ff")


class Tap:
    """Sees every packet of IPv4 and IPv6 that leaves a machine."""

    def __init__(self, machine: Machine) -> None:
        with entered(machine.namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PACKETS))
            self._socket.bind(("eth0", 0))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.setblocking(False)

    def sent(self) -> Counter[str]:
        """Count what left since the last call, by destination host."""
        found: Counter[str] = Counter()
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, (_, protocol, kind, *_) = self._socket.recvfrom(2048)
                if kind == _OUTGOING and protocol == 0x0800:
                    found[".".join(map(str, packet[16:20]))] += 1
                elif kind == _OUTGOING and protocol == 0x86DD:
                    found[socket.inet_ntop(socket.AF_INET6, packet[24:40])] += 1
        return found

    def close(self) -> None:
        """Stop watching."""
        self._socket.close()


@contextlib.contextmanager
def home(machines: int = 3, six: str | None = None) -> Iterator[list[Machine]]:
    """Have that many machines, `192.168.50.1` and on, on one switch. Multicast is not filtered there.

    `six`: they have IPv6 only. It is the first half of their addresses, "" for none but link-local ones.
    """
    remove_leftovers()
    name = stem()
    switch = f"{name}-switch"
    hosts = (
        f"{NETWORK}.{number}" if six is None else f"{six or 'fe80::'}{number}" for number in range(1, machines + 1)
    )
    made = [Machine(f"{name}-m{number}", host) for number, host in enumerate(hosts, 1)]
    try:
        batch(*(f"netns add {each}" for each in (switch, *(machine.namespace for machine in made))))
        configure(switch, "link add bridge type bridge mcast_snooping 0", "link set bridge up")
        for number, machine in enumerate(made, 1):
            run("ip", "-n", switch, "link", "add", f"p{number}", "type", "veth", "peer", "name", "eth0",
                "netns", machine.namespace)  # fmt: skip
            configure(switch, f"link set p{number} master bridge", f"link set p{number} up")
            if six is not None:
                place = [f"addr add {machine.host}/64 dev eth0 nodad"] if six else []
                local = f"addr add fe80::{number}/64 dev eth0 nodad"
                configure(machine.namespace, "link set eth0 addrgenmode none", local, *place, "link set eth0 up")
                continue
            configure(
                machine.namespace, f"addr add {machine.host}/24 dev eth0", "link set eth0 up",
                f"route add default via {GATEWAY}", f"neigh add {GATEWAY} lladdr 02:00:00:00:00:fe dev eth0",
            )  # fmt: skip
        yield made
    finally:
        remove(each for each in namespaces() if each.startswith(name))
