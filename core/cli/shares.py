"""`grapevine shares`: what this profile keeps and shares again at each start. A running 'share --all' follows."""

from dataclasses import replace

import click

from core.cli.options import as_json_option, profile_option, usage
from core.cli.output import Output
from core.cli.running import finish, refused, run
from core.errors import LocalError, PeerError
from core.files.shown import plain
from core.grenache.config import transports_of
from core.kinds.share import BAD, UTP_ONLY, Share
from core.profile.settings import SettingsStore
from core.profile.shares import KeptShares, kept_shares, switched, with_share, without_share, words_of
from core.values import JsonValue

_NAME = click.argument("name")


@click.group(invoke_without_command=True)
@profile_option
@as_json_option
@click.pass_context
def shares(context: click.Context, profile: str, as_json: bool) -> None:
    """List, check and switch the permanent shares of this profile; 'grapevine share --all' shares them."""
    if context.invoked_subcommand is not None:
        context.default_map = {context.invoked_subcommand: {"profile": profile, "as_json": as_json}}
        return
    _list(profile, as_json)


@shares.command("list")
@profile_option
@as_json_option
def list_shares(profile: str, as_json: bool) -> None:
    """Print the permanent shares."""
    _list(profile, as_json)


@shares.command()
@_NAME
@profile_option
@as_json_option
def remove(name: str, profile: str, as_json: bool) -> None:
    """Forget a permanent share; it is no longer shared."""
    _change(name, None, profile, as_json)


@shares.command()
@_NAME
@profile_option
@as_json_option
def on(name: str, profile: str, as_json: bool) -> None:
    """Switch a permanent share on."""
    _change(name, True, profile, as_json)


@shares.command()
@_NAME
@profile_option
@as_json_option
def off(name: str, profile: str, as_json: bool) -> None:
    """Switch a permanent share off, and keep it."""
    _change(name, False, profile, as_json)


@shares.command()
@_NAME
@click.argument("transports", metavar="TRANSPORTS", callback=usage(transports_of))
@profile_option
@as_json_option
def over(name: str, transports: str, profile: str, as_json: bool) -> None:
    """Share a permanent share over other TRANSPORTS: utp, http, ws or pub, as in `utp,http`."""
    output = Output(as_json=as_json)
    chosen = transports_of(transports)
    try:
        SettingsStore(profile).change(
            lambda found: with_share(found, replace(_find(kept_shares(found), name), transports=chosen))
        )
    except PeerError as error:
        refused(error, output)
    words = ", ".join(chosen)
    output.result("share-changed", plain(f"{name} is shared over {words}"), name=name, state=f"over {words}")
    finish(output)


@shares.command()
@_NAME
@profile_option
@as_json_option
def check(name: str, profile: str, as_json: bool) -> None:
    """Look whether what a permanent share stands for is there. Exits 1 when it is not."""
    output = Output(as_json=as_json)

    async def job() -> None:
        from core.kinds.table import make  # aiohttp with it, for pages

        service = make(_find(_load(profile, output), name))
        found = await service.check()
        warnings = service.warnings()
        text = "\n".join(plain(line) for line in (found.sentence, *(f"Warning: {each}" for each in warnings)))
        output.result(
            "share-checked", text, name=name, ok=found.ok, check=found.sentence, warnings=list[JsonValue](warnings)
        )
        if not found.ok:
            raise LocalError(f"{name} is not there", name="ERR_NOT_THERE")

    run(job, output)


def _load(profile: str, output: Output) -> KeptShares:
    store = SettingsStore(profile)
    found = kept_shares(store.load())
    for sentence in (*store.notices, *([store.problem] if store.problem else []), *found.problems):
        output.notice(sentence)
    return found


def _find(kept: KeptShares, name: str) -> Share:
    for share in kept.shares:
        if share.name == name:
            return share
    known = ", ".join(share.name for share in kept.shares) or "none"
    raise LocalError(f"there is no permanent share {name!r}; permanent shares: {known}", name=BAD)


def _list(profile: str, as_json: bool) -> None:
    output = Output(as_json=as_json)
    kept = _load(profile, output)
    lines = [_line(share) for share in kept.shares]
    text = "\n".join(lines) or "no permanent share: 'grapevine share ... --permanent' makes one"
    rows = list[JsonValue]([share.to_json() for share in kept.shares])
    output.result("shares", text, shares=rows, problems=list[JsonValue](kept.problems))
    finish(output)


def _change(name: str, on: bool | None, profile: str, as_json: bool) -> None:
    output = Output(as_json=as_json)
    try:
        SettingsStore(profile).change(
            lambda found: without_share(found, name) if on is None else switched(found, name, on)
        )
    except PeerError as error:
        refused(error, output)
    state = {None: "removed", True: "on", False: "off"}[on]
    output.result("share-changed", plain(f"{name} is {state}"), name=name, state=state)
    finish(output)


def _line(share: Share) -> str:
    state = "on" if share.on else "off"
    over = "" if share.transports == UTP_ONLY else f"  over {', '.join(share.transports)}"
    return plain(f"{share.name}  {words_of(share).replace(' ', '  ', 1)}  {share.audience.sentence}{over}  {state}")
