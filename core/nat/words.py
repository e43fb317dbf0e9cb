"""A report in plain words: how others get in, and what the owner can do about it."""

import enum
from collections.abc import Sequence

from core.frozen import frozen
from core.nat.report import Filtering, Mapping, NatReport, Ports
from core.values import Address


class Reach(enum.Enum):
    """Who can reach this peer."""

    UNKNOWN = "unknown"  # nobody told where he sees us
    EVERYBODY = "everybody"  # who knows our address
    MET = "met"  # all who meet us through a broker, except behind the hardest routers
    SOME = "some"  # those behind usual routers, through a broker
    NOBODY = "nobody"

    @property
    def friends(self) -> bool:
        """Whether friends behind usual home routers get in."""
        return self in (Reach.EVERYBODY, Reach.MET, Reach.SOME)


@frozen
class NatWords:
    """`network`: what lies between us and others. `message`: whether they get in. `advice`: what to do; "" nothing."""

    reach: Reach
    network: str
    message: str
    advice: str = ""


_NO_REFLECTOR = "Nobody was asked where this peer is seen from outside."
_ASK_SOMEBODY = "Name a broker or a grape on another network, so that there is somebody to ask."
_USE_BROKER = "Use a broker: --broker on the command line, or the page Network of the window."
_OWN_ADDRESS = "Ask the provider for an address of your own (no CGNAT), or use IPv6."
_OPEN_PORT = "Forward this peer's UDP port in the router (fix it by --port), or switch on its port mapping (UPnP)."


def describe(report: NatReport, *, brokers: int, others: bool = True) -> NatWords:
    """Return the words. `brokers`: how many have us registered. `others`: there are grapes beyond this computer."""
    network = _network(report)
    if report.blocked:
        return NatWords(
            Reach.NOBODY,
            network,
            "Nobody can reach this peer: packets leave, and no answer comes back.",
            "Allow UDP for Grapevine in the firewall, or use another network: a guest or an office network often "
            "lets out web pages only.",
        )
    if report.mapping is Mapping.UNKNOWN:
        if report.asked:
            message = "It is not known whether others can reach this peer: no answer came."
            return NatWords(Reach.UNKNOWN, network, message, "Look whether the network works, and the broker is there.")
        message = "Others can reach this peer on this network only, as far as is known." if not others else (
            "It is not known whether others can reach this peer."
        )  # fmt: skip
        return NatWords(Reach.UNKNOWN, network, message, _ASK_SOMEBODY)
    if report.local:
        message = "Others on this network reach this peer. Whether those beyond it do is not known."
        return NatWords(Reach.UNKNOWN, network, message, _ASK_SOMEBODY)
    if report.open:
        return NatWords(Reach.EVERYBODY, network, "Others can reach this peer at its address.")
    if not brokers:
        message = "Others reach this peer only while it has spoken to them first."
        if report.mapping is Mapping.NONE and report.filtering is Filtering.UNKNOWN:
            message = "Others can reach this peer unless a firewall is in the way: that was not tried."
            return NatWords(Reach.EVERYBODY, network, message)
        return NatWords(Reach.NOBODY, network, message, f"{_USE_BROKER} Or: {_OPEN_PORT}")
    if report.mapping.hard:
        return NatWords(
            Reach.SOME,
            network,
            "Friends behind usual home routers can reach this peer through the broker. Those behind a router like "
            "this one often cannot.",
            _OWN_ADDRESS if report.carrier else _OPEN_PORT,
        )
    return NatWords(Reach.MET, network, "Friends can reach this peer: the broker brings both sides together.")


def six_words(addresses: Sequence[Address], translated: str | None = None) -> str:
    """Return a sentence on our IPv6; "" where there is none. `translated`: our host as others see it, if another."""
    if translated is not None:
        return (
            f"A router translates this computer's IPv6 (NPTv6 or NAT66), which is rare: others see it at {translated}."
        )
    if not addresses:
        return ""
    return f"This computer has IPv6 too, at {addresses[0]}: no router translates that, and both sides open a firewall."


def _network(report: NatReport) -> str:
    where = f" Others see it at {report.observed[0]}." if report.observed else ""
    if report.blocked:
        return "UDP is blocked on this network."
    if report.mapping is Mapping.UNKNOWN:
        return f"{_NO_REFLECTOR if not report.asked else 'The kind of the router is not known.'}{where}"
    if report.local:
        return f"Nothing is in between on this network.{where}"
    if report.mapping is Mapping.NONE:
        kind = {
            Filtering.LOOSE: "This computer has a public address, and nothing keeps others out.",
            Filtering.STRICT: "This computer has a public address behind a firewall that lets in answers only.",
            Filtering.UNKNOWN: "This computer has a public address.",
        }[report.filtering]
        return f"{kind}{where}"
    carrier = " The provider shares one address among customers (CGNAT)." if report.carrier else ""
    if report.mapping is Mapping.ENDPOINT_INDEPENDENT:
        kind = "The router gives this peer one port for everybody"
        door = {
            Filtering.LOOSE: ", and lets in more than answers: the easiest kind.",
            Filtering.STRICT: ", and lets in answers only: the usual kind.",
            Filtering.UNKNOWN: ".",
        }[report.filtering]
        return f"{kind}{door}{carrier}{where}"
    which = {
        Ports.IN_ORDER: ", one after the other",
        Ports.BLOCK: f", out of {report.block[0]} to {report.block[1]}" if report.block else "",
    }.get(report.ports, ", at random")
    return f"The router gives every destination another port{which}: the hardest kind.{carrier}{where}"
