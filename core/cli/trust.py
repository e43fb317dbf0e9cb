"""`grapevine trust`: who may call, and who waits for an answer. A running peer of that profile follows at once."""

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from core.cli.output import Output, plain
from core.cli.running import run
from core.peer_id import PeerId
from core.profile.settings import DEFAULT_PROFILE, SettingsStore
from core.trust.entries import EVERY, KnownPeer, Pending
from core.values import JsonValue

if TYPE_CHECKING:
    from core.trust.store import TrustStore

Job = Callable[["TrustStore", Output, float], Awaitable[None]]  # with the time, Unix seconds
Command = Callable[..., None]


def _peer_id(context: click.Context, parameter: click.Parameter, value: str) -> PeerId:
    """Read a whole ID: a first group is not enough to trust anybody by. What is mistyped is said, and where."""
    try:
        return PeerId.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


_WHO = click.argument("peer_id", metavar="PEER-ID", callback=_peer_id)
_SERVICE = click.argument("service")


def _common(command: Command) -> Command:
    """Add the options that every command here has."""
    command = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")(command)
    return click.option("--profile", default=DEFAULT_PROFILE, show_default=True, help="Whose list it is.")(command)


def _with_list(profile: str, as_json: bool, job: Job) -> None:
    """Run a job with the profile's list. What is wrong with the list is said on stderr."""
    from core.trust.store import TrustStore  # only when it is needed: `--help` answers at once

    output = Output(as_json=as_json)

    async def work() -> None:
        now = time.time()
        store = TrustStore(SettingsStore(profile).trust_file, serving=lambda: False)
        await store.open(now)
        if store.problem:
            click.echo(store.problem, err=True)
        await job(store, output, now)

    run(work, output)


@click.group()
@click.pass_context
def trust(context: click.Context) -> None:
    """Say who may call your services, and answer those who ask."""
    context.default_map = {context.invoked_subcommand or "": context.default_map or {}}  # said before `trust`


@trust.command("list")
@_common
def list_peers(profile: str, as_json: bool) -> None:
    """Print the peers you know."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        peers = store.peers()
        lines = [_peer_line(peer) for peer in peers] or ["nobody is known yet"]
        output.result("known", "\n".join(lines), peers=list[JsonValue]([_peer_fields(peer) for peer in peers]))

    _with_list(profile, as_json, job)


@trust.command()
@_common
def pending(profile: str, as_json: bool) -> None:
    """Print who asked for a service and waits for your answer."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        waiting = store.pending()
        lines = [_pending_line(each) for each in waiting] or ["nobody waits for an answer"]
        fields = list[JsonValue]([_pending_fields(each) for each in waiting])
        output.result("pending-list", "\n".join(lines), requests=fields)

    _with_list(profile, as_json, job)


@trust.command()
@_WHO
@click.option("--name", default="", help="What you call it.")
@click.option("--service", "services", multiple=True, help="What it may call, instead of everything; may be repeated.")
@_common
def add(peer_id: PeerId, name: str, services: tuple[str, ...], profile: str, as_json: bool) -> None:
    """Let a peer call your services."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        await store.trust(peer_id, name, frozenset(services) or EVERY, now)
        _tell(store, output, peer_id, f"{peer_id.short} may call {', '.join(services) or 'every service'}")

    _with_list(profile, as_json, job)


@trust.command()
@_WHO
@_common
def remove(peer_id: PeerId, profile: str, as_json: bool) -> None:
    """Know a peer no more; what it has called is cancelled."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        await store.untrust(peer_id, now)
        _tell(store, output, peer_id, f"{peer_id.short} is known no more")

    _with_list(profile, as_json, job)


@trust.command()
@_WHO
@_common
def block(peer_id: PeerId, profile: str, as_json: bool) -> None:
    """Let a peer call nothing, and never ask again."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        await store.block(peer_id, now)
        _tell(store, output, peer_id, f"{peer_id.short} is blocked")

    _with_list(profile, as_json, job)


@trust.command()
@_WHO
@_SERVICE
@click.option("--once", is_flag=True, help="One request only, if it comes again within ten minutes.")
@_common
def accept(peer_id: PeerId, service: str, once: bool, profile: str, as_json: bool) -> None:
    """Let a peer that asked for SERVICE call it from now on."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        decide = store.accept_once if once else store.accept_always
        await decide((peer_id, service), now)
        _tell(store, output, peer_id, f"{peer_id.short} may call {service}{' once' if once else ''}")

    _with_list(profile, as_json, job)


@trust.command()
@_WHO
@_SERVICE
@_common
def refuse(peer_id: PeerId, service: str, profile: str, as_json: bool) -> None:
    """Forget that a peer asked for SERVICE; it may ask again."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        await store.refuse((peer_id, service), now)
        _tell(store, output, peer_id, f"{peer_id.short} was refused {service}")

    _with_list(profile, as_json, job)


def _tell(store: "TrustStore", output: Output, peer_id: PeerId, message: str) -> None:
    """Print what was done, and with --json how the peer stands now (null: it is not known)."""
    known = store.find(peer_id)
    fields: JsonValue = _peer_fields(known) if known else None
    output.result("trust", plain(message), id=str(peer_id), message=message, peer=fields)


def _services(peer: KnownPeer) -> str:
    if peer.blocked:
        return "blocked"
    return "every service" if peer.services == EVERY else ", ".join(sorted(peer.services)) or "no service"


def _day(at: float | None) -> str:
    return "never" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _peer_line(peer: KnownPeer) -> str:
    seen = f"since {_day(peer.since)}, last seen {_day(peer.last_seen)}"
    return plain(f"{peer.peer_id}  {peer.name or '-'}  {_services(peer)}  {seen}")


def _pending_line(each: Pending) -> str:
    asked = f"{each.times} times since {_day(each.first)}" if each.times > 1 else f"at {_day(each.last)}"
    return plain(f"{each.peer_id}  {each.service}  from {each.address}, {asked}")


def _peer_fields(peer: KnownPeer) -> dict[str, JsonValue]:
    return {
        "id": str(peer.peer_id),
        "name": peer.name,
        "since": peer.since,
        "last_seen": peer.last_seen,
        "services": list[JsonValue](sorted(peer.services)),
        "blocked": peer.blocked,
    }


def _pending_fields(each: Pending) -> dict[str, JsonValue]:
    return {
        "id": str(each.peer_id),
        "service": each.service,
        "from": str(each.address),
        "first": each.first,
        "last": each.last,
        "times": each.times,
    }
