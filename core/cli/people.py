"""`grapevine people`: the peers that you know, by name. It is the list of `grapevine trust`."""

from typing import TYPE_CHECKING

import click

from core.cli.groups import group, groups
from core.cli.options import as_json_option, profile_option
from core.cli.output import Output
from core.cli.peers import find
from core.cli.trust import end_joins, tell, with_list
from core.cli.trust import list_of_peers as shown
from core.errors import LocalError
from core.trust.entries import KnownPeer, clean_name

if TYPE_CHECKING:
    from core.trust.store import TrustStore

_WHO = click.argument("peer", metavar="PEER")


@click.group(invoke_without_command=True)
@profile_option
@as_json_option
@click.pass_context
def people(context: click.Context, profile: str, as_json: bool) -> None:
    """List the peers you know. PEER is a name of that list, or a Peer ID."""
    if context.invoked_subcommand is not None:
        context.default_map = {context.invoked_subcommand: {"profile": profile, "as_json": as_json}}
        return
    with_list(profile, as_json, shown, changes=False)


people.add_command(group)
people.add_command(groups)


@people.command("name")
@_WHO
@click.argument("name")
@profile_option
@as_json_option
def rename(peer: str, name: str, profile: str, as_json: bool) -> None:
    """Call PEER by another NAME, for you only."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        known = _known(peer, store)
        if not clean_name(name):
            raise LocalError("a name has at least one character that can be printed", name="ERR_NAME")
        if known.blocked:
            raise LocalError(f"{known.name or known.peer_id.short} is blocked: remove it first", name="ERR_BLOCKED")
        same = [each for each in store.peers() if each.name.casefold() == clean_name(name).casefold()]
        if any(each.peer_id != known.peer_id for each in same):
            raise LocalError(f"{same[0].name!r} is somebody else in your list: give another name", name="ERR_NAME")
        await store.trust(known.peer_id, name, known.services, now)
        tell(store, output, known.peer_id, f"{known.peer_id.short} is called {clean_name(name)} now")

    with_list(profile, as_json, job)


@people.command("remove")
@_WHO
@profile_option
@as_json_option
def remove(peer: str, profile: str, as_json: bool) -> None:
    """Remove PEER from your list. Requests of it that are under way are cancelled."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        known = _known(peer, store)
        await store.untrust(known.peer_id, now)
        await end_joins(profile, known.peer_id)
        tell(store, output, known.peer_id, f"{known.name or known.peer_id.short} is removed from your list")

    with_list(profile, as_json, job)


def _known(text: str, store: "TrustStore") -> KnownPeer:
    place = find(text, store.peers())
    known = store.find(place.peer_id)
    if known is None or place.rest:
        raise LocalError(f"{text[:80]!r} is nobody that you know: 'grapevine people' lists them", name="ERR_NOT_KNOWN")
    return known
