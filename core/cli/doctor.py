"""`grapevine doctor`: what our network does with packets, whether friends get in, and what to do."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from core.cli.output import Output
from core.errors import Unreachable
from core.nat.report import Mapping, NatReport
from core.news.events import Holds, NatSnapshot, OwnAddress
from core.peer import Peer, open_peer
from core.profile.config import PeerConfig
from core.scope import is_six
from core.values import JsonValue

ALONE = 5.0  # seconds until nobody counts as there who could be asked: a grape joins within one
NO_SIX = "This computer has no IPv6 address of the Internet. Ask the provider for one: no router translates IPv6."
LOOK = 0.1  # seconds between looks meanwhile


class NotReachable(Unreachable):
    """Friends cannot reach this peer."""

    name = "ERR_NOT_REACHABLE"


class ReachUnknown(Unreachable):
    """Nobody could tell whether friends reach this peer."""

    name = "ERR_REACH_UNKNOWN"


async def doctor(config: PeerConfig, output: Output, timeout: float) -> None:
    """Look at our network with the brokers and grapes that are configured. Raises NotReachable, ReachUnknown."""
    quiet = replace(config, act_as_broker=False)
    async with open_peer(quiet) as peer:
        found = await _found(peer, timeout)
        seen = peer.snapshot()
    nearby, six = seen.grape.nearby, six_of(seen.addresses)
    words = "\n".join(filter(None, (_sentences(found), "" if six else NO_SIX, nearby)))
    output.result("doctor", words, nearby=nearby, ipv6=six, **fields(found))
    if found.reachable:
        return
    if found.report.local or (found.report.mapping is Mapping.UNKNOWN and not found.report.blocked):
        raise ReachUnknown("whether friends reach this peer is not known: nobody outside this network told")
    raise NotReachable("friends cannot reach this peer")


async def _found(peer: Peer, timeout: float) -> NatSnapshot:
    """Wait for the report, but not for somebody to ask where there is nobody."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while (spent := loop.time() - began) < timeout:
        found = peer.snapshot().nat
        if found.complete or (spent > ALONE and not found.report.asked):
            break
        await asyncio.sleep(LOOK)
    return peer.snapshot().nat


def six_of(addresses: Iterable[OwnAddress]) -> list[JsonValue]:
    """Return our IPv6 addresses that hold on the Internet."""
    return [str(each.address) for each in addresses if is_six(each.address.host) and each.holds is Holds.INTERNET]


def _sentences(found: NatSnapshot) -> str:
    lines = (found.network, found.message, found.advice, _port(found), found.port_6.words)
    return "\n".join(line for line in lines if line)


def _port(found: NatSnapshot) -> str:
    return "" if found.port.address is not None else found.port.words  # the message has it


def fields(found: NatSnapshot) -> dict[str, Any]:
    """Return what `--json` says of our network."""
    report = found.report
    return {
        "reachable": found.reachable,
        "network": found.network,
        "message": found.message,
        "advice": found.advice,
        "port": str(found.port.address) if found.port.address else None,
        "port_message": found.port.words,
        "port_6": str(found.port_6.address) if found.port_6.address else None,
        "port_6_message": found.port_6.words,
        **technical(report),
    }


def technical(report: NatReport) -> dict[str, JsonValue]:
    """Return a report in the terms of RFC 4787."""
    return {
        "mapping": report.mapping.value,
        "filtering": report.filtering.value,
        "ports": report.ports.value,
        "step": report.step,
        "block": list(report.block) if report.block else None,
        "observed": [str(each) for each in report.observed],
        "reflectors": report.reflectors,
        "reflector_hosts": report.hosts,
        "asked": report.asked,
        "carrier": report.carrier,
        "hairpin": report.hairpin,
        "lifetime": report.lifetime,
        "udp_blocked": report.blocked,
        "confidence": round(report.confidence, 2),
    }
