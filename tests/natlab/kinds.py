"""The kinds of networks that people are behind, and the nftables rules that make a Linux router each of them.

A layer is one router: which source port it gives out, and what it lets in. A kind is a row of layers, the carrier's
first. What the kinds are called and how they behave is RFC 4787's; `tests/natlab/classify.py` proves each label.

What shaped the rules:
- chains of type nat see a flow's first packet only, so what traffic has to refresh is updated in the filter chain;
- a port computed from the source alone (its bits flipped) is the same for all remotes, never the inside's own, and
  no two insides of one host share one: a peer that trusts in ports being kept fails here, as it should;
- an unknown packet from outside that `input` accepts is remembered by conntrack, and occupies the very tuple that
  the answer would need: the early-packet trap. Only `linux-race` has it; all others drop such packets first.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a site's network is; the values are what tables and options say."""

    OPEN = "open"  # a public address, nothing in between
    FIREWALL = "firewall"  # a public address, and only answers come in
    FULL_CONE = "full-cone"  # one port for all remotes, and anybody may use it
    RESTRICTED = "restricted"  # one port for all remotes, for hosts that were sent something
    PORT_RESTRICTED = "port-restricted"  # one port for all remotes, for addresses that were sent something
    LINUX = "linux"  # the same, and the port is the inside's
    LINUX_RACE = "linux-race"  # the same, with the early-packet trap
    SYM_ADDR = "sym-addr"  # symmetric: a port for each remote host
    SYM_SEQ = "sym-seq"  # symmetric: a port for each remote address, one after the other
    SYM_RANDOM = "sym-random"  # symmetric: any port
    SYM_BLOCK = "sym-block"  # symmetric: any of the subscriber's 1,008 (RFC 7422)
    NO_UDP = "no-udp"  # only TCP gets out
    CGNAT = "cgnat"  # a home router behind a carrier's full cone
    CGNAT_SYM = "cgnat-sym"  # a home router behind a carrier's random ports


class Ports(StrEnum):
    """Which source port a router gives a flow."""

    UNTOUCHED = "untouched"  # it translates nothing
    KEPT = "kept"
    FLIPPED = "flipped"
    BY_HOST = "by-host"
    IN_ORDER = "in-order"
    RANDOM = "random"
    BLOCK = "block"


class Door(StrEnum):
    """Which packets a router lets in."""

    ANYBODY = "anybody"  # to a port that is in use
    SAME_HOST = "same-host"  # from hosts that were sent something
    REPLIES = "replies"  # from addresses that were sent something


@dataclass(frozen=True, slots=True)
class Layer:
    """One router. `trap`: it remembers unknown packets from outside. `udp`: whether any gets through at all."""

    ports: Ports
    door: Door
    trap: bool = False
    udp: bool = True


_HOME = Layer(Ports.FLIPPED, Door.REPLIES)

LAYERS: dict[Kind, tuple[Layer, ...]] = {  # outermost first
    Kind.OPEN: (),
    Kind.FIREWALL: (Layer(Ports.UNTOUCHED, Door.REPLIES),),
    Kind.FULL_CONE: (Layer(Ports.FLIPPED, Door.ANYBODY),),
    Kind.RESTRICTED: (Layer(Ports.FLIPPED, Door.SAME_HOST),),
    Kind.PORT_RESTRICTED: (_HOME,),
    Kind.LINUX: (Layer(Ports.KEPT, Door.REPLIES),),
    Kind.LINUX_RACE: (Layer(Ports.KEPT, Door.REPLIES, trap=True),),
    Kind.SYM_ADDR: (Layer(Ports.BY_HOST, Door.REPLIES),),
    Kind.SYM_SEQ: (Layer(Ports.IN_ORDER, Door.REPLIES),),
    Kind.SYM_RANDOM: (Layer(Ports.RANDOM, Door.REPLIES),),
    Kind.SYM_BLOCK: (Layer(Ports.BLOCK, Door.REPLIES),),
    Kind.NO_UDP: (Layer(Ports.KEPT, Door.REPLIES, udp=False),),
    Kind.CGNAT: (Layer(Ports.FLIPPED, Door.ANYBODY), _HOME),
    Kind.CGNAT_SYM: (Layer(Ports.RANDOM, Door.REPLIES), _HOME),
}

# what is flipped in a port, by depth: two routers that flipped the same bits would give back the inside's own port.
# The highest bit stays, so a port that the kernel chose (32768 and up) stays one that peers may be punched at.
_FLIP = (0x1555, 0x0B0B)
_IN_ORDER = ", ".join(f"{index} : {41000 + index}" for index in range(4000))  # nft 1.0.6 swaps the bytes of a sum
_TURNED = 1  # conntrack's mark of a flow from inside to inside, by the outside's address


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds that a router keeps a UDP mapping: one-way, and once answers came for a while. Linux's own values."""

    one_way: int = 30
    stream: int = 120


def rules(layer: Layer, wan: str, *, depth: int = 0, hairpin: bool = False, lifetimes: Lifetimes | None = None) -> str:
    """Return the nftables rules of a router whose outside is the interface `wan` with the address `wan`.

    `depth` counts from the outside. `hairpin`: two machines inside reach one another at their outside addresses;
    only what lets anybody or the same host in can do that here.
    """
    flip = _FLIP[depth % len(_FLIP)]
    mapped = layer.door is not Door.REPLIES
    keep = (lifetimes or Lifetimes()).stream
    return f"""
table ip grapevine {{
  map inside {{ type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; size 65535; }}
  set told {{ type ipv4_addr . inet_service . ipv4_addr; flags dynamic,timeout; size 65535; }}
  chain prerouting {{ type nat hook prerouting priority dstnat; policy accept;
    {f"ip daddr {wan} meta l4proto udp dnat ip to udp dport map @inside" if mapped else ""}
  }}
  chain postrouting {{ type nat hook postrouting priority srcnat; policy accept;
    {_lines(_translation(layer.ports, wan, flip, hairpin=hairpin and mapped))}
  }}
  chain input {{ type filter hook input priority filter; policy accept;
    {"" if layer.trap else 'iifname "wan" meta l4proto { tcp, udp } ct state new drop'}
  }}
  chain forward {{ type filter hook forward priority filter; policy drop;
    {_lines(_passage(layer, flip, keep))}
    iifname != "wan" oifname != "wan" ct status dnat {f"ct mark set {_TURNED}" if hairpin else "drop"}
    iifname != "wan" accept
    ct state established,related accept
  }}
}}
"""


def _translation(ports: Ports, wan: str, flip: int, *, hairpin: bool) -> list[str]:
    if ports is Ports.UNTOUCHED:
        return []
    source = {
        Ports.KEPT: "masquerade",
        Ports.FLIPPED: f"snat ip to {wan} : udp sport ^ {flip:#x}",
        Ports.BY_HOST: f"snat ip to {wan} : jhash ip saddr . udp sport . ip daddr mod 60000 seed 0x5eed offset 4000",
        Ports.IN_ORDER: f"snat ip to {wan} : numgen inc mod 4000 map {{ {_IN_ORDER} }}",
        Ports.RANDOM: f"snat ip to {wan} : 1024-65535 fully-random",
        Ports.BLOCK: f"snat ip to {wan} : 42000-43007 fully-random",
    }[ports]
    lines = [f'oifname "wan" meta l4proto udp {source}', 'oifname "wan" masquerade']
    if hairpin:
        lines.append(f"ct mark {_TURNED} meta l4proto udp {source}")
    return lines


def _passage(layer: Layer, flip: int, keep: int) -> list[str]:
    if not layer.udp:
        return ["meta l4proto udp drop"]
    if layer.door is Door.REPLIES:
        return []
    update = f"update @inside {{ udp sport ^ {flip:#x} timeout {keep}s : ip saddr . udp sport }}"
    lines = [f'iifname != "wan" meta l4proto udp {update}']
    if layer.door is Door.ANYBODY:
        return [*lines, 'iifname "wan" meta l4proto udp ct status dnat accept']
    told = "ip saddr . udp sport . ip daddr"
    return [
        *lines,
        f'iifname != "wan" meta l4proto udp update @told {{ {told} timeout {keep}s }}',
        'iifname "wan" meta l4proto udp ip daddr . udp dport . ip saddr @told accept',
    ]


def _lines(lines: list[str]) -> str:
    return "\n    ".join(lines)
