"""What the command line prints: JSON objects for programs, sentences for people."""

import asyncio
import contextlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from core.cli.punches import PunchLines
from core.cli.reasons import NoAnswer
from core.cli.sink import Sink
from core.errors import LocalError, PeerError
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

FILE_WAITS = 0.1  # seconds that a line waits for others where stdout is a file: a system call each took 5 us a request
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


def dumps(value: JsonValue) -> str:
    """Return compact JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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


class Output:
    """Prints for one command: everything with `--json`, and for people what `quiet` leaves."""

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        self.as_json = as_json
        self.failed: PeerError | None = None  # why nothing can be printed
        self.reader_gone: Callable[[], None] | None = None  # called once, when nobody reads our output any more
        self.broke: Callable[[], object] | None = None  # called once, when it cannot be written, as to a full disk
        self._quiet = quiet
        self._booked: asyncio.TimerHandle | None = None  # what was printed to a file waits for this
        self._sink = Sink(self._broke, self._left_out)
        self._punches = PunchLines(self._line)

    def event(self, event: PeerEvent) -> None:
        """Print something that happened."""
        if self.as_json:
            self._line(dumps(event_fields(event)))
        elif not self._quiet and not self._punches.take(event):
            self._line(event_sentence(event))

    def result(self, kind: str, text: str, /, **fields: JsonValue) -> None:
        """Print what the command was asked for: `text` for people, `fields` as an event of this kind."""
        self._line(dumps({"event": kind, **fields}) if self.as_json else text)

    def news(self, kind: str, text: str, /, **fields: JsonValue) -> None:
        """Print something that the command did, unless people asked for quiet."""
        if self.as_json or not self._quiet:
            self.result(kind, text, **fields)

    def notice(self, sentence: str) -> None:
        """Say something that somebody should know, on stderr, where it is in no program's way."""
        with contextlib.suppress(OSError, ValueError):  # nobody can be told
            click.echo(plain(sentence), err=True)

    def failure(self, error: PeerError) -> None:
        """Print why the command failed: on stderr always, and as an event with `--json`.

        It is one line, whatever it quotes; each reason of `NoAnswer` is one more.
        """
        first, reasons = (error.sentence, error.reasons) if isinstance(error, NoAnswer) else (str(error), ())
        lines = [plain(f"{error.name}: {first}"), *(f"  {plain(reason)}" for reason in reasons)]
        if self.as_json:
            self._line(dumps({"event": "error", "error": error.name, "message": str(error)}))
        with contextlib.suppress(OSError, ValueError):
            click.echo("\n".join(lines), err=True)

    def flush(self, patience: float | None = None) -> None:
        """Write out what waits for others; for a slow reader for so many seconds at most."""
        if self._booked is not None:
            self._booked.cancel()
            self._booked = None
            self._to_file("")
        self._sink.flush(patience)

    async def drained(self) -> None:
        """Wait until the reader has taken all: for values that come faster, and of which none may be lost."""
        await self._sink.drained()

    def _line(self, text: str) -> None:
        if _is_file():
            self._to_file(f"{_printable(text)}\n")
        else:
            self._sink.write(_printable(text))

    def _to_file(self, text: str) -> None:
        """Write with what else comes within FILE_WAITS."""
        try:
            sys.stdout.write(text)
            if not text or not self._book():
                sys.stdout.flush()
        except OSError as error:
            self._broke(error)

    def _left_out(self, lines: int) -> str:
        said = f"({lines:,} lines are left out here: nobody read them in time)"
        return dumps({"event": "left-out", "lines": lines}) if self.as_json else said

    def _broke(self, error: OSError) -> None:
        self._give_up()
        if isinstance(error, BrokenPipeError):
            if self.reader_gone is not None:
                self.reader_gone()
            return
        self.failed = LocalError(f"the output cannot be written: {error.strerror or error}", name="ERR_OUTPUT")
        if self.broke is not None:
            self.broke()

    def _book(self) -> bool:
        """See to it that what was written leaves soon; False: there is no loop, so it has to leave now."""
        if self._booked is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return False
            self._booked = loop.call_later(FILE_WAITS, self.flush)
        return True

    def _give_up(self) -> None:
        """Print nowhere for the rest of the process, also at its exit."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def _is_file() -> bool:
    """Return whether stdout is a regular file: nobody sees a line there as it happens."""
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # closed, or no file at all, as in a test
        return False


def _printable(text: str) -> str:
    """Return text with what stdout cannot encode, half a surrogate pair in a peer's JSON at least, as escapes."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _short(data: JsonValue) -> str:
    text = dumps(data)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text):,} characters)"
