"""`grapevine settings`: what the settings file says, and that its owner has looked at a damaged one."""

import dataclasses
from typing import Any, Literal

import click

from core.cli.options import as_json_option, profile_option
from core.cli.output import Output
from core.cli.running import finish, refused
from core.errors import PeerError
from core.files.shown import plain
from core.profile.settings import Settings, SettingsStore
from core.values import JsonValue

_SHOWN = (
    "grapes", "bootstrap", "dht_port", "api_port", "udp_port", "sharing", "consuming", "audiences", "act_as_broker",
    "use_broker", "brokers", "lan", "mainline", "mainline_bootstrap", "open_peer", "port_mapping", "web_listen",
    "web_certificate", "web_key", "web_authority", "web_certificate_required", "web_origins", "web_map", "relay",
    "use_relays", "shares", "uses",
)  # fmt: skip


@click.group("settings", invoke_without_command=True)
@profile_option
@as_json_option
@click.pass_context
def settings(context: click.Context, profile: str, as_json: bool) -> None:
    """Show the settings of this profile, and whether their file is sound."""
    if context.invoked_subcommand is not None:
        context.default_map = {context.invoked_subcommand: {"profile": profile, "as_json": as_json}}
        return
    output, store = Output(as_json=as_json), SettingsStore(profile)
    found = store.load()
    _say(output, store)
    _show(output, store, store.recovered if store.problem else found)


@settings.command()
@profile_option
@as_json_option
def confirm(profile: str, as_json: bool) -> None:
    """Say that you have looked at a damaged settings file: what could be read of it holds again.

    The damaged file is kept beside. Until then nothing is shared and nobody may call.
    """
    output, store = Output(as_json=as_json), SettingsStore(profile)
    store.load()
    for notice in store.notices:
        output.notice(notice)
    if store.problem is None:
        output.notice("The settings file is sound: there is nothing to confirm.")
    try:
        found = store.confirm()
    except PeerError as error:
        refused(error, output)
    _show(output, store, found)


@settings.command("public-dht")
@click.argument("said", type=click.Choice(["on", "off"]))
@click.option("--bootstrap", "nodes", multiple=True, metavar="NAME:PORT",
              help="Enter it by this node instead of the usual ones. May be given several times.")  # fmt: skip
@profile_option
@as_json_option
def public_dht(said: Literal["on", "off"], nodes: tuple[str, ...], profile: str, as_json: bool) -> None:
    """Let friends find you by the public DHT of BitTorrent, without a server: `on` or `off`.

    Your address becomes visible to nodes of the BitTorrent DHT. What you share does not, nor who your friends are. It
    takes 25 MB a day at the most while you call nobody. Programs that run take it up when they start the next time.
    """
    entered = {"mainline_bootstrap": nodes} if nodes else {}
    output, store, changed = _changed(profile, as_json, mainline=said, **entered)
    _show(output, store, changed)


@settings.command("open-peer")
@click.argument("said", type=click.Choice(["on", "off"]))
@profile_option
@as_json_option
def open_peer(said: Literal["on", "off"], profile: str, as_json: bool) -> None:
    """Help strangers meet: `on` or `off`, as at first.

    This peer is then listed on the public DHT as one that helps, while others reach it directly. Strangers leave sealed
    letters here and wait for theirs. You see their addresses, never who they are or what they say, and nothing of
    theirs passes through. It takes some megabytes a day, and 350 at the very most. Programs that run take it up at
    their next start.
    """
    output, store, changed = _changed(profile, as_json, open_peer=said == "on")
    if changed.open_peer and changed.mainline != "on":
        output.notice("It begins once the public DHT is used: grapevine settings public-dht on.")
    _show(output, store, changed)


@settings.command()
@click.argument("passes", type=click.Choice(["auto", "off", "friends", "everyone"]))
@profile_option
@as_json_option
def relay(passes: Literal["auto", "off", "friends", "everyone"], profile: str, as_json: bool) -> None:
    """Pass on packets for peers that cannot reach each other: `off`, `friends`, `everyone`, or `auto`.

    `auto` is for friends, where others reach this peer directly. You see who is in touch and how much passes, never
    what is said. At most 4 MB a second and 20 GB a day pass. Programs that run take it up at their next start.
    """
    output, store, changed = _changed(profile, as_json, relay=passes)
    _show(output, store, changed)


@settings.command("use-relays")
@click.argument("said", type=click.Choice(["on", "off"]))
@profile_option
@as_json_option
def use_relays(said: Literal["on", "off"], profile: str, as_json: bool) -> None:
    """Let friends, and the brokers that are used, pass packets on where no direct way opens: `on` or `off`.

    They see who is in touch and how much passes, never what is said. Programs that run take it up at their next start.
    """
    output, store, changed = _changed(profile, as_json, use_relays=said == "on")
    _show(output, store, changed)


def _changed(profile: str, as_json: bool, **fields: Any) -> tuple[Output, SettingsStore, Settings]:  # noqa: ANN401
    """Save the settings with other values in these fields, or end with the error."""
    output, store = Output(as_json=as_json), SettingsStore(profile)
    found = store.load()
    _say(output, store)
    changed = dataclasses.replace(found, **fields)
    try:
        store.save(changed)
    except PeerError as error:
        refused(error, output)
    return output, store, changed


def _say(output: Output, store: SettingsStore) -> None:
    for sentence in (*store.notices, *([store.problem] if store.problem else [])):
        output.notice(sentence)


def _show(output: Output, store: SettingsStore, found: Settings) -> None:
    """Print the settings; of a damaged file those that could be read."""
    values: dict[str, Any] = dataclasses.asdict(found)
    lines = [str(store.path), *(f"  {name}: {_text(values[name])}" for name in _SHOWN)]
    fields: dict[str, JsonValue] = {name: values[name] for name in _SHOWN}
    text = "\n".join(plain(line) for line in lines)
    output.result("settings", text, file=str(store.path), problem=store.problem, **fields)
    finish(output)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{service}: {audience}" for service, audience in value.items()) or "as usual"
    if isinstance(value, tuple):
        return ", ".join(_entry(each) for each in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _entry(value: object) -> str:
    """Return a name, an address, or what a share or an opening is called."""
    if isinstance(value, dict):
        return str(value.get("name") or value.get("service") or "?")
    return str(value)
