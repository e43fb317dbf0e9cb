"""The commands of `grapevine`. Names and flags are scripted against; do not rename them."""

import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import click

from core.cli import exits
from core.cli.asking import ask_of, ask_options
from core.cli.brokering import broker
from core.cli.calls import calls
from core.cli.grape import grape
from core.cli.identity import identity
from core.cli.install import install, uninstall
from core.cli.invitations import invitations, invite, join
from core.cli.options import (
    broker_option,
    network_options,
    nodes,
    output_option,
    profile_option,
    quiet_option,
    usage,
)
from core.cli.people import people
from core.cli.settings import settings
from core.cli.share import share
from core.cli.shares import shares
from core.cli.starting import start
from core.cli.tools import announce, get, keygen, lookup, put
from core.cli.trust import trust
from core.cli.using import connect, fetch, offers, open_command, path, watch
from core.compiled import engines
from core.errors import LocalError, PeerError
from core.profile.settings import DEFAULT_PROFILE, check_grape_url, check_profile
from core.values import JsonValue


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"{_version()} ({engines()})")
        context.exit()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # 2 MB and 20 ms that only --version needs

    try:
        return version("grapevine")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def _jobs() -> ModuleType:
    """Load what the commands do only when one is run: `--help` answers at once."""
    from core.cli import jobs

    return jobs


def _doctor() -> Any:  # noqa: ANN401
    from core.cli.doctor import doctor

    return doctor


def _status() -> Any:  # noqa: ANN401
    from core.cli.status import status

    return status


def _json(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LocalError(f"the payload is not JSON ({error}); write it like '{{\"length\": 10}}'") from None
    return value


@click.group(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}, epilog=exits.epilog()
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option(
    "--profile",
    default=DEFAULT_PROFILE,
    callback=usage(check_profile),
    show_default=True,
    help="A name of your choice: each profile is a peer of its own, with its own settings.",
)
@click.option("--hidden", is_flag=True, help="Open in the tray, without a window, where there is a tray.")
@click.option(
    "--grape",
    "grapes",
    metavar="URL",
    multiple=True,
    callback=usage(check_grape_url),
    help="Address of a grape to use instead of those in the settings.",
)
@click.option(
    "--bootstrap",
    metavar="H:P,...",
    default=None,
    callback=usage(nodes),
    help="Nodes that the embedded grape joins, instead of those in the settings.",
)
@click.option(
    "--no-lan",
    is_flag=True,
    help="Do not look for other Grapevines on this network, and do not be found by them there.",
)
@click.pass_context
def grapevine(
    context: click.Context, profile: str, hidden: bool, grapes: tuple[str, ...], bootstrap: str | None, no_lan: bool
) -> None:
    """Share a small service from behind a home router.

    Without a command it opens the window.
    """
    if context.invoked_subcommand is not None:
        # said before the command they mean the same as behind it
        given = {"profile": profile, "grapes": grapes, "bootstrap": bootstrap, "no_lan": no_lan}
        said = {name: value for name, value in given.items() if value and value != DEFAULT_PROFILE}
        context.default_map = {context.invoked_subcommand: said}
        return
    _open_window(profile, hidden=hidden, grapes=grapes, bootstrap=nodes(bootstrap), no_lan=no_lan)


def _open_window(profile: str, **run: Any) -> NoReturn:  # noqa: ANN401
    from desktop.display import display_problem, qt_problem  # the one way from here to the desktop, and only now

    problem = qt_problem() or display_problem(os.environ)
    if problem:
        click.echo(problem, err=True)
        raise click.exceptions.Exit(exits.USAGE)
    from desktop.__main__ import main as desktop

    sys.exit(desktop(profile, **run))


@grapevine.command(hidden=True)
@click.argument("link", default="")
@profile_option
def link(link: str, profile: str) -> None:
    """Show an invitation in the window, as a click on its link does. Nothing is accepted before the user says so."""
    _open_window(profile, link=link)


@grapevine.command()
@click.argument("service")
@click.option("--length", type=int, default=10, show_default=True, help="How many numbers to ask for.")
@click.option("--once", is_flag=True, help="Print the first reply and stop.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds that --once waits for a reply.",
)
@click.option(
    "--transport",
    type=click.Choice(["utp", "http", "ws"]),
    default="utp",
    show_default=True,
    help="Over HTTP or WebSocket somebody drawn at random is asked each second.",
)
@quiet_option
@broker_option
@network_options
def consume(
    service: str, length: int, once: bool, timeout: float, transport: str, **network: Any  # noqa: ANN401
) -> None:  # fmt: skip
    """Request SERVICE (fibonacci) repeatedly from every provider, until Ctrl-C."""

    def job(config: Any, output: Any) -> Any:  # noqa: ANN401 - loaded only when it is run: `--help` answers at once
        if transport == "utp":
            return _jobs().consume(config, output, service, {"length": length}, once, timeout)
        from core.cli import web_jobs
        from core.grenache.asker import Ask

        return web_jobs.poll(config, output, service, {"length": length}, once, timeout, Ask(transport))

    start(
        job,
        brief=once,
        speaks=True,
        **network,
    )


@grapevine.command()
@click.argument("target", metavar="SERVICE|HOST:PORT|PEER-ID[/SERVICE]")
@click.argument("payload", metavar="PAYLOAD_JSON", default="null")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds to wait for the answer.",
)
@click.option("--everybody", is_flag=True, help="Over HTTP or WebSocket: ask everybody who is listed, a line each.")
@click.option("--limit", type=click.IntRange(1), default=None, help="With --everybody: so many of them, at random.")
@click.option("--stream", is_flag=True, help="Over HTTP: write what comes as it comes, of any size.")
@click.option(
    "--input",
    "source",
    type=click.Path(path_type=Path, allow_dash=True),
    default=None,
    metavar="FILE",
    help="With --stream: send this file instead of PAYLOAD_JSON; - is standard input.",
)
@output_option("With --stream: write to this file.")
@click.option("--action", default=None, help="With --stream: the action, which services of Grenache know as _a.")
@click.option("--args", "arguments", default=None, metavar="JSON", help="With --stream: its arguments, _ar.")
@ask_options
@broker_option
@network_options
def request(
    target: str, payload: str, timeout: float, everybody: bool, limit: int | None, stream: bool, source: Path | None,
    to: Path | None, action: str | None, arguments: str | None, transport: str | None, compress: bool, retry: int,
    tls: bool, tls_cert: Path | None, tls_key: Path | None, tls_ca: Path | None, fingerprint: str | None,
    **network: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Send one request and print the result as JSON.

    The target is the name of a service, the address of a peer, or a Peer ID. A peer is found by its ID wherever it is,
    and a request to a Peer ID is always encrypted and verified.
    """
    try:
        value = _json(payload)
        details = None if arguments is None else _json(arguments)
    except PeerError as error:
        raise click.BadParameter(str(error), param_hint="PAYLOAD_JSON") from None
    ask = ask_of(transport, compress, retry, tls, tls_cert, tls_key, tls_ca, fingerprint)

    def job(config: Any, output: Any) -> Any:  # noqa: ANN401 - loaded only when it is run: `--help` answers at once
        if not (everybody or stream):
            return _jobs().request(config, output, target, value, timeout, ask)
        from core.cli import web_jobs

        if everybody:
            return web_jobs.map_all(config, output, target, value, timeout, ask, limit or 0)
        return web_jobs.stream(config, output, target, source or value, (action, details), to, timeout, ask)

    start(
        job,
        brief=True,
        speaks=True,
        **network,
    )


@grapevine.command()
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=12.0, show_default=True, help="Seconds to look."
)
@broker_option
@network_options
def doctor(timeout: float, **network: Any) -> None:  # noqa: ANN401
    """Say whether friends can reach this peer, what its router does, and what to change.

    Brokers and grapes that are configured, or named here, are asked where they see this peer; nobody else is. It ends
    with 0 only if friends can reach it.
    """
    start(lambda config, output: _doctor()(config, output, timeout), brief=True, **network)


@grapevine.command()
@network_options
def status(**network: Any) -> None:  # noqa: ANN401
    """Say how this peer stands: connected, alone, unreachable or without a network, and whether a Grapevine runs.

    It ends with 0 if it is connected or alone. `grapevine doctor` looks at the router.
    """
    start(lambda config, output: _status()(config, output, network["profile"]), brief=True, **network)


for command in (share, shares, invite, invitations, join, people, offers, path, open_command, connect, watch, fetch):
    grapevine.add_command(command)
for command in (lookup, announce, put, get, keygen):
    grapevine.add_command(command)
grapevine.add_command(broker)
grapevine.add_command(grape)
grapevine.add_command(trust)
grapevine.add_command(settings)
grapevine.add_command(calls)
grapevine.add_command(identity)
grapevine.add_command(install)
grapevine.add_command(uninstall)
