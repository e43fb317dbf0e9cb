"""What each event of a peer is in `--json`, and as a sentence for people.

Loaded with the first event: a command that opens no peer does without the events' own modules, which take a fifth of
the time that `grapevine id` takes.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from core.cli.output import dumps
from core.files.shown import plain
from core.news.events import (
    Announced,
    BrokerChanged,
    Discovered,
    ErrorRaised,
    GrapeChanged,
    Listening,
    Lost,
    NatChanged,
    PeerEvent,
    PendingRequest,
    PunchEnded,
    PunchReceived,
    PunchSent,
    Registered,
    ReplyReceived,
    RequestSent,
    RequestServed,
    Traffic,
    TrustChanged,
)
from core.news.joins import InvitationAccepted, JoinProgress, SearchProgress
from core.news.moves import PathMoved
from core.news.public import PublicDhtChanged
from core.news.web import WebPortMapped
from core.values import Address, JsonValue

TOLD_ASIDE: Final = (SearchProgress,)
"""A command that searches tells it on stderr (`core.cli.story`). A peer that shares searches for friends by itself."""
MAX_SHOWN = 200  # characters of a reply in a line for people; --json has it whole


def _place(address: Address) -> dict[str, JsonValue]:
    return {"address": address.host, "port": address.port}


# One row per event: its fields in JSON, and its sentence. Scripts rely on the names (issue 2, section 2).
_FIELDS: dict[type[PeerEvent], Callable[[Any], dict[str, JsonValue]]] = {
    Listening: lambda e: _place(e.address),
    GrapeChanged: lambda e: {
        "state": e.grape.state.value,
        "nodes": e.grape.nodes,
        "url": e.grape.url,
        "dht_port": e.grape.dht_port,
        "message": e.grape.message,
    },
    Announced: lambda e: {"service": e.service, "nodes": e.nodes, "own_only": e.own_only},
    Discovered: lambda e: {"service": e.service, **_place(e.peer)},
    Lost: lambda e: {"service": e.service, **_place(e.peer), "reason": e.reason},
    PunchSent: lambda e: _place(e.peer),
    PunchReceived: lambda e: {**_place(e.peer), "first": e.first},
    RequestSent: lambda e: {"service": e.service, **_place(e.peer)},
    RequestServed: lambda e: {
        "service": e.service,
        "from": str(e.caller),
        "peer_id": str(e.peer_id) if e.peer_id else None,
        "seconds": round(e.seconds, 6),
        "error": e.error,
    },
    ReplyReceived: lambda e: {
        "from": str(e.peer),
        "peer_id": str(e.peer_id) if e.peer_id else None,
        "seconds": round(e.seconds, 6),
        "data": e.data,
    },
    PendingRequest: lambda e: {
        "id": str(e.peer_id),
        "name": e.name,
        "service": e.service,
        "from": str(e.caller),
        "times": e.times,
    },
    TrustChanged: lambda e: {"message": e.message, "known": e.known, "pending": e.pending},
    InvitationAccepted: lambda e: {
        "number": e.number,
        "id": str(e.peer_id),
        "name": e.name,
        "services": list(e.services),
    },
    JoinProgress: lambda e: {"id": str(e.peer_id), "stage": e.stage, "message": e.message},
    SearchProgress: lambda e: {"id": str(e.peer_id), "where": e.where, "message": e.message},
    Registered: lambda e: {
        "service": e.service,
        "server": e.server,
        **_place(e.peer),
        "peer_id": str(e.peer_id) if e.peer_id else None,
    },
    BrokerChanged: lambda e: {"registered": e.registered, "message": e.message},
    PunchEnded: lambda e: {
        **_place(e.peer),
        "open": e.open,
        "observed": str(e.observed) if e.observed else None,
        "seconds": round(e.seconds, 3),
        "reason": e.reason,
        "how": e.how or "plain",
        "packets": e.packets,
    },
    NatChanged: lambda e: {
        "reachable": e.nat.reachable,
        "network": e.nat.network,
        "message": e.nat.message,
        "advice": e.nat.advice,
        "port": str(e.nat.port.address) if e.nat.port.address else None,
        "port_message": e.nat.port.words,
        "port_6": str(e.nat.port_6.address) if e.nat.port_6.address else None,
        "port_6_message": e.nat.port_6.words,
        "mapping": e.nat.report.mapping.value,
        "filtering": e.nat.report.filtering.value,
        "ports": e.nat.report.ports.value,
        "lifetime": e.nat.report.lifetime,
    },
    PathMoved: lambda e: {
        "id": str(e.peer_id),
        "direct": str(e.direct) if e.direct else None,
        "message": e.message,
    },
    PublicDhtChanged: lambda e: {"nodes": e.nodes, "message": e.message},
    WebPortMapped: lambda e: {
        "port": e.port,
        "outside": str(e.opened.address) if e.opened.address else None,
        "message": e.opened.words,
    },
    ErrorRaised: lambda e: {"error": e.error, "message": e.message, **(_place(e.peer) if e.peer else {})},
}

_SENTENCES: dict[type[PeerEvent], Callable[[Any], str]] = {
    Listening: lambda e: f"listening on {e.address}",
    GrapeChanged: lambda e: e.grape.message,
    Announced: lambda e: (
        f"announced {e.service} on our own grape only: nobody beyond this computer can find it yet"
        if e.own_only
        else f"announced {e.service} on {e.nodes} grape{'s'[: e.nodes != 1]}"
    ),
    Discovered: lambda e: f"discovered {e.service} at {e.peer}",
    Lost: lambda e: f"lost {e.service} at {e.peer}: {e.reason}",
    PunchSent: lambda e: f"punch sent to {e.peer}",
    PunchReceived: lambda e: f"punch received from {e.peer}",
    RequestSent: lambda e: f"request sent to {e.peer}",
    RequestServed: lambda e: f"request from {e.caller} {e.error or f'served in {e.seconds * 1000:.1f} ms'}",
    ReplyReceived: lambda e: f"reply from {e.peer} in {e.seconds * 1000:.1f} ms: {_short(e.data)}",
    PendingRequest: lambda e: (
        f"{e.name or 'somebody unknown'} at {e.caller} asks for {e.service}: "
        f"grapevine trust accept {e.peer_id} {e.service}"
    ),
    TrustChanged: lambda e: e.message,
    InvitationAccepted: lambda e: f"{e.name} has joined by invitation {e.number}: {e.peer_id}",
    JoinProgress: lambda e: e.message,
    SearchProgress: lambda e: f"{e.peer_id.short}: {e.message}",
    Registered: lambda e: f"registered: {e.peer} {'offers' if e.server else 'wants'} {e.service}",
    BrokerChanged: lambda e: f"broker: {e.message}",
    PunchEnded: lambda e: f"punching {e.peer}: {e.reason}",
    NatChanged: lambda e: f"network: {e.nat.network} {e.nat.message}",
    PathMoved: lambda e: f"{e.peer_id.short} is reached {e.message}",
    PublicDhtChanged: lambda e: e.message,
    WebPortMapped: lambda e: f"HTTP and WebSocket: {e.opened.words}",
    ErrorRaised: lambda e: f"{e.error}: {e.message}",
}


def event_fields(event: PeerEvent) -> dict[str, JsonValue]:
    """Return an event as the object `--json` prints, `event` first."""
    return {"event": event.kind, **_FIELDS[type(event)](event), "at": round(event.at, 3)}


def state_fields(traffic: Traffic) -> dict[str, JsonValue]:
    """Return what a `state` event says; `held` and the budget of memory are bytes."""
    return {
        "received": traffic.received,
        "sent": traffic.sent,
        "requests": traffic.requests,
        "connections": traffic.connections,
        "held": traffic.held,
        "refused": dict(traffic.refused),
        "turned_away": dict(traffic.turned_away),
        "datagrams": dict(traffic.datagrams),
        "budgets": {
            row.name: {"used": row.used, "limit": row.limit, "owners": row.owners, "refused": row.refused}
            for row in traffic.budgets
        },
        "at": round(time.time(), 3),
    }


def event_sentence(event: PeerEvent) -> str:
    """Return an event as one line for people, with its time of day."""
    return f"{time.strftime('%H:%M:%S', time.localtime(event.at))}  {plain(_SENTENCES[type(event)](event))}"


def _short(data: JsonValue) -> str:
    text = dumps(data)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text):,} characters)"
