"""`grapevine people group`: people named together, so that a share is opened to all of them at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from core.cli.options import as_json_option, profile_option
from core.cli.output import Output
from core.cli.peers import find
from core.cli.trust import with_list
from core.errors import LocalError
from core.files.shown import plain
from core.trust.entries import Group, KnownPeer
from core.trust.groups import BAD, find_group
from core.values import JsonValue

if TYPE_CHECKING:
    from core.peer_id import PeerId
    from core.trust.store import TrustStore

JOIN, LEAVE = "+", "-"


@click.command("groups")
@profile_option
@as_json_option
def groups(profile: str, as_json: bool) -> None:
    """List the groups, who is in them, and what is open to them."""

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        del now
        lines = [_line(group, store.peers()) for group in store.groups()]
        text = "\n".join(lines) or "there is no group: 'grapevine people group NAME + PEER' makes one"
        output.result("groups", text, groups=list[JsonValue](_fields(each, store.peers()) for each in store.groups()))

    with_list(profile, as_json, job, changes=False)


@click.command("group")
@click.argument("name")
@click.argument("who", metavar="[+|- PEER...]", nargs=-1)
@click.option("--open", "opened", metavar="SHARE", multiple=True, help="Open this share to the group. Can be repeated.")
@click.option("--close", "closed", metavar="SHARE", multiple=True, help="Take this share from the group.")
@click.option("--remove", "gone", is_flag=True, help="Remove the group. The people stay in your list.")
@profile_option
@as_json_option
def group(
    name: str, who: tuple[str, ...], opened: tuple[str, ...], closed: tuple[str, ...], gone: bool, profile: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Show the group NAME, or change who is in it. What you share with `--to @NAME` is open to all of them.

    \b
      grapevine people group family + anna ben    both join it; a new group is made
      grapevine people group family - ben         he leaves it
      grapevine share 8080 --name web --to @family

    Who leaves the group, is removed from your list or is blocked may call at once no longer what was open to the
    group. Who may call every service, or was named for a share, may go on.
    """
    if who and (who[0] not in (JOIN, LEAVE) or len(who) == 1):
        raise click.UsageError(f"say + or - and then who: grapevine people group {name} + PEER")
    if gone and (who or opened or closed):
        raise click.UsageError("--remove stands alone: the group is gone then")

    async def job(store: "TrustStore", output: Output, now: float) -> None:
        if gone:
            group = find_group(name, store.groups())
            await store.ungroup(group.name, now)
            output.result("group", plain(f"the group {group.name} is removed"), group=None)
            return
        called = await _regroup(store, name, who, now) if who else name
        if opened or closed:
            called = (await store.open_to(called, opened, closed, now=now)).name
        if not (who or opened or closed):
            called = find_group(name, store.groups()).name
        _tell(store, output, next((each for each in store.groups() if each.name == called), None), called)

    with_list(profile, as_json, job, changes=bool(who or opened or closed or gone))


async def _regroup(store: "TrustStore", name: str, who: Sequence[str], now: float) -> str:
    sign, *texts = who
    peers = [_known(text, store) for text in texts]
    if sign == JOIN:
        return await store.regroup(name, peers, now=now)
    group = find_group(name, store.groups())
    for peer_id in peers:
        known = store.find(peer_id)
        if known is None or not known.in_group(group.name):
            called = known.name if known is not None and known.name else peer_id.short
            raise LocalError(f"{called} is not in the group {group.name}", name=BAD)
    return await store.regroup(group.name, leave=peers, now=now)


def _known(text: str, store: "TrustStore") -> "PeerId":
    place = find(text, store.peers())
    if place.rest or store.find(place.peer_id) is None:
        raise LocalError(f"{text[:80]!r} is nobody that you know: 'grapevine people' lists them", name="ERR_NOT_KNOWN")
    return place.peer_id


def _tell(store: "TrustStore", output: Output, group: Group | None, name: str) -> None:
    if group is None:
        output.result("group", plain(f"nobody is left in {name}, and nothing is open to it: it is gone"), group=None)
        return
    output.result("group", _line(group, store.peers()), group=_fields(group, store.peers()))


def _called(peer: KnownPeer) -> str:
    return peer.name or peer.peer_id.short


def _line(group: Group, peers: Sequence[KnownPeer]) -> str:
    who = ", ".join(_called(peer) for peer in peers if peer.in_group(group.name)) or "nobody yet"
    return plain(f"{group.name}  {who}  may call {', '.join(sorted(group.services)) or 'no service'}")


def _fields(group: Group, peers: Sequence[KnownPeer]) -> dict[str, JsonValue]:
    members = [str(peer.peer_id) for peer in peers if peer.in_group(group.name)]
    return {
        "name": group.name,
        "members": list[JsonValue](members),
        "services": list[JsonValue](sorted(group.services)),
    }
