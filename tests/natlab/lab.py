"""A home router and the public Internet, out of three Linux network namespaces.

    home 192.168.7.10 --- 192.168.7.1 router 11.0.0.100 --- 11.0.0.2 public

The router does what a Linux box at home does: masquerade, answers to what went out, nothing else comes in. It drops
unknown packets in `input`, before conntrack confirms them: else an early punch would occupy the very port that the
answer needs (the trap that some real routers have, and a later lab shows). Public addresses are out of 11.0.0.0/8:
peer software may refuse the documentation ranges. Nothing leaves the machine: no namespace has a way out.
"""

import contextlib
import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.natlab.namespaces import (
    batch,
    configure,
    forget_connections,
    inside,
    load_rules,
    remove,
    remove_leftovers,
    run,
    set_options,
    stem,
)
from tests.support.tools import unavailable

PUBLIC = "11.0.0.2"
ROUTER_WAN = "11.0.0.100"
HOME = "192.168.7.10"
HOME_GATEWAY = "192.168.7.1"

_ROUTER_RULES = """
table ip grapevine {
  chain postrouting { type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" meta l4proto udp masquerade PORTS
    oifname "wan" masquerade
  }
  chain input { type filter hook input priority filter; policy accept;
    iifname "wan" meta l4proto { tcp, udp } ct state new drop
  }
  chain forward { type filter hook forward priority filter; policy drop;
    iifname "lan" accept
    ct state established,related accept
  }
}
"""

_MUTE = """
table ip mute {
  chain output { type filter hook output priority filter; policy accept;
    ip protocol icmp drop
  }
}
"""


def _rules(ports: str = "") -> str:
    """Return the router's rules; `ports` is how its NAT chooses them, by default as the inside had it."""
    return _ROUTER_RULES.replace("PORTS", ports)


@dataclass(frozen=True, slots=True)
class Lab:
    """Namespace names; `in_home` and `in_public` are command prefixes that run a program there."""

    home: str
    router: str
    public: str

    @property
    def in_home(self) -> Sequence[str]:
        """Prefix of a command on the machine behind the router."""
        return inside(self.home)

    def narrow(self, mtu: int, *, mute: bool = False) -> None:
        """Let packets of `mtu` bytes at most through the router, and tell who sent a longer one, unless it is `mute`.

        Both links keep their 1,500 bytes, so that neither end knows.
        """
        for network, interface in ((f"{HOME_GATEWAY}/24", "lan"), (f"{ROUTER_WAN}/24", "wan")):
            where = str(ipaddress.ip_interface(network).network)
            configure(self.router, f"route replace {where} dev {interface} mtu lock {mtu}")
        if mute:
            run(*inside(self.router), "nft", "-f", "-", stdin=_MUTE)

    def unplug(self) -> None:
        """Cut the router off the Internet."""
        configure(self.router, "link set wan down")

    def restart_router(self) -> None:
        """Start it again: it knows no connection any more and gives out other ports."""
        load_rules(self.router, _rules("to :40000-49999 random"))
        forget_connections(self.router)
        configure(self.router, "link set wan up")

    @property
    def in_public(self) -> Sequence[str]:
        """Prefix of a command on the machine with a public address."""
        return inside(self.public)


def _build(lab: Lab) -> None:
    batch(
        *(f"netns add {namespace}" for namespace in (lab.home, lab.router, lab.public)),
        f"link add eth0 netns {lab.home} type veth peer name lan netns {lab.router}",
        f"link add eth0 netns {lab.public} type veth peer name wan netns {lab.router}",
    )
    configure(lab.home, f"addr add {HOME}/24 dev eth0", "link set eth0 up", f"route add default via {HOME_GATEWAY}")
    configure(lab.public, f"addr add {PUBLIC}/24 dev eth0", "link set eth0 up")
    configure(
        lab.router,
        f"addr add {HOME_GATEWAY}/24 dev lan",
        "link set lan up",
        f"addr add {ROUTER_WAN}/24 dev wan",
        "link set wan up",
    )
    set_options(lab.router, {"ipv4/ip_forward": 1})
    load_rules(lab.router, _rules())


@contextlib.contextmanager
def nat_lab() -> Iterator[Lab]:
    """Build a lab, and take it down whatever happens; its programs end with it."""
    remove_leftovers()
    name = stem()
    lab = Lab(f"{name}-home", f"{name}-router", f"{name}-public")
    try:
        try:
            _build(lab)
        except OSError as error:
            unavailable(f"cannot build network namespaces with nftables here: {error}")
        yield lab
    finally:
        remove((lab.home, lab.router, lab.public))
