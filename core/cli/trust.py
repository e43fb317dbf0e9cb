"""`grapevine trust`: who may call, and who waits for an answer. A running peer of that profile follows at once."""

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click

from core.cli.options import as_json_option, profile_option
from core.cli.output import Output
from core.cli.running import run
from core.errors import LocalError
from core.files.shown import plain
from core.peer_id import PeerId
from core.profile.logs import set_up_logging
from core.profile.settings import SettingsStore
from core.trust.entries import EVERY, KnownPeer, Pending
from core.values import JsonValue

if TYPE_CHECKING:
    from core.trust.store import TrustStore

Job = Callable[["TrustStore", Output, float], Awaitable[None]]  # with the time, Unix seconds


def _peer_id(context: click.Context, parameter: click.Parameter, value: str) -> PeerId:
    """Read a whole ID: a first group is not enough to trust anybody by. What is mistyped is said, and where."""
    try:
        return PeerId.parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


_WHO = click.argument("peer_id", metavar="PEER-ID", callback=_peer_id)
_SERVICE = click.argument("service")


def with_list(profile: str, as_json: bool, job: Job, *, changes: bool = True) -> None:
    """Run a job with the profile's list, with a damaged one only if it changes nothing. What is wrong is said."""
    from core.trust.store import TrustStore  # only when it is needed: `--help` answers at once

    set_up_logging(profile)
    output = Output(as_json=as_json)

    async def work() -> None:
        now = time.time()
        settings = SettingsStore(profile)
        store = TrustStore(settings.trust_file, serving=lambda: False)
        await store.open(now)
        if store.problem and changes:
            raise LocalError(store.problem.removesuffix("."), name="ERR_TRUST")
        for sentence in (*store.notices, *([store.problem] if store.problem else [])):
            output.notice(sentence)
        if changes:
            settings.start()
        await job(store, output, now)

    run(work, output)


async def list_of_peers(store: "TrustStore", output: Output, now: float) -> None:
    """Print the peers that are known."""
    peers, recovered = store.peers(), store.recoverable()
    lines = [_peer_line(peer) for peer in peers] or ["nobody is known yet"]
    if recovered:
        lines += ["after 'grapevine trust confirm':", *(_peer_line(peer) for peer in recovered)]
    fields: dict[str, JsonValue] = {"peers": list[JsonValue](map(_peer_fields, peers))}
    if store.closed:
        fields |= {"problem": store.problem, "recovered": list[JsonValue](map(_peer_fields, recovered))}
    output.result("known", "\n".join(lines), **fields)


async def end_joins(profile: str, peer_id: PeerId) -> None:
    """Have the next start not trust a peer that was removed, though it joined when a program was ended by force."""
    from core.invitations.store import InvitationStore

    store = InvitationStore(SettingsStore(profile).invitations_file)
    await store.open()
    if any(joined == peer_id for _, joined in store.book.unsettled()):
        await store.change(lambda book: book.settle_all(peer_id))


@click.group()
@click.pass_context
def trust(context: click.Context) -> None:
    """Manage who may call your services."""
    context.default_map = {context.invoked_subcommand or "": context.default_map or {}}  # said before `trust`


@trust.command("list")
@profile_option
@as_json_option
def list_peers(profile: str, as_json: bool) -> None:
    """Print the peers you know."""

    with_list(profile, as_json, list_of_peers, changes=False)


@trust.command()
@profile_option
@as_json_option
def confirm(profile: str, as_json: bool) -> None:
    """Say that you have looked at a damaged list: what could be read of it holds again.

    The damaged file is kept beside. Until then nobody may call; 'grapevine trust list' shows what there is.
    """

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        if not store.closed:
            output.result("trust-confirmed", "the list is sound: there is nothing to confirm", peers=None)
            return
        await store.confirm(now)
        lines = [_peer_line(peer) for peer in store.peers()] or ["nobody is known"]
        fields = list[JsonValue]([_peer_fields(peer) for peer in store.peers()])
        output.result("trust-confirmed", "\n".join(lines), peers=fields)

    with_list(profile, as_json, job, changes=False)


@trust.command()
@profile_option
@as_json_option
def pending(profile: str, as_json: bool) -> None:
    """Print who asked for a service and waits for your answer."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        waiting = store.pending()
        lines = [_pending_line(each) for each in waiting] or ["nobody waits for an answer"]
        fields = list[JsonValue]([_pending_fields(each) for each in waiting])
        output.result("pending-list", "\n".join(lines), requests=fields)

    with_list(profile, as_json, job, changes=False)


@trust.command()
@_WHO
@click.option("--name", default="", help="A name for this peer, for you only.")
@click.option("--service", "services", multiple=True, help="A service it may call, instead of all. Can be repeated.")
@profile_option
@as_json_option
def add(peer_id: PeerId, name: str, services: tuple[str, ...], profile: str, as_json: bool) -> None:
    """Let a peer call your services."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        await store.trust(peer_id, name, frozenset(services) or EVERY, now)
        tell(store, output, peer_id, f"{peer_id.short} may call {', '.join(services) or 'every service'}")

    with_list(profile, as_json, job)


@trust.command()
@_WHO
@profile_option
@as_json_option
def remove(peer_id: PeerId, profile: str, as_json: bool) -> None:
    """Remove a peer from your list. Requests of it that are under way are cancelled."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        await store.untrust(peer_id, now)
        await end_joins(profile, peer_id)
        tell(store, output, peer_id, f"{peer_id.short} is removed from your list")

    with_list(profile, as_json, job)


@trust.command()
@_WHO
@profile_option
@as_json_option
def block(peer_id: PeerId, profile: str, as_json: bool) -> None:
    """Block a peer: it may call nothing and cannot ask."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        await store.block(peer_id, now)
        await end_joins(profile, peer_id)
        tell(store, output, peer_id, f"{peer_id.short} is blocked")

    with_list(profile, as_json, job)


@trust.command()
@_WHO
@_SERVICE
@click.option("--once", is_flag=True, help="Only its next request, within ten minutes.")
@profile_option
@as_json_option
def accept(peer_id: PeerId, service: str, once: bool, profile: str, as_json: bool) -> None:
    """Let a peer that asked for SERVICE call it."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        decide = store.accept_once if once else store.accept_always
        await decide((peer_id, service), now)
        tell(store, output, peer_id, f"{peer_id.short} may call {service}{' once' if once else ''}")

    with_list(profile, as_json, job)


@trust.command()
@_WHO
@_SERVICE
@profile_option
@as_json_option
def refuse(peer_id: PeerId, service: str, profile: str, as_json: bool) -> None:
    """Forget that a peer asked for SERVICE; it may ask again."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        await store.refuse((peer_id, service), now)
        tell(store, output, peer_id, f"{peer_id.short} was refused {service}")

    with_list(profile, as_json, job)


def tell(store: "TrustStore", output: Output, peer_id: PeerId, message: str) -> None:
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
    groups = ", ".join(sorted(group.name for group in peer.groups))
    return plain(f"{peer.peer_id}  {peer.name or '-'}  {_services(peer)}  {f'in {groups}  ' if groups else ''}{seen}")


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
        "groups": list[JsonValue](sorted(group.name for group in peer.groups)),
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
