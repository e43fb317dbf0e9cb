"""The commands of `grapevine`. Names and flags are scripted against; do not rename them."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import click

from core.cli.calls import calls
from core.cli.identity import identity
from core.cli.install import install, uninstall
from core.cli.output import Output
from core.cli.running import run
from core.cli.trust import trust
from core.errors import LocalError, PeerError
from core.grape.config import GrapeConfig
from core.profile.config import KeyPlace, PeerConfig
from core.profile.logs import set_up_logging
from core.profile.settings import DEFAULT_PROFILE, SettingsStore, check_grape_url, check_profile
from core.trust.audience import Audience
from core.values import Address, JsonValue

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(_version())
        context.exit()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # 2 MB and 20 ms that only --version needs

    try:
        return version("grapevine")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


def _usage(check: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Turn a check that raises LocalError or ValueError into click's own message and exit code 2."""

    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> Any:  # noqa: ANN401 - click's own
        try:
            for item in value if isinstance(value, tuple) else (value,):
                if item is not None:
                    check(item)
        except (LocalError, ValueError) as error:
            raise click.BadParameter(str(error), context, parameter) from None
        return value

    return callback


def _nodes(text: str | None) -> tuple[str, ...] | None:
    """Split `H:P,H:P`. None stays None; an empty text is no node. Raises ValueError."""
    if text is None:
        return None
    return tuple(str(Address.parse(part)) for part in text.split(",") if part.strip())


def _network(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that needs a grape."""
    for option in (
        click.option("--profile", default=DEFAULT_PROFILE, callback=_usage(check_profile), show_default=True,
                     help="Whose settings to use."),
        click.option("--verbose", is_flag=True, help="Show the log on stderr."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line."),
        click.option("--port", type=click.IntRange(0, 65535), default=None,
                     help="UDP port of this peer; any free one without it."),
        click.option("--bootstrap", metavar="H:P,...", default=None, callback=_usage(_nodes),
                     help="Nodes the embedded grape joins, instead of those on this machine."),
        click.option("--grape", "grapes", metavar="URL", multiple=True, callback=_usage(check_grape_url),
                     help="A grape's address, as http://192.0.2.7:30001; of several the next is used when one dies."),
    ):  # fmt: skip
        command = option(command)
    return command


def _brokered(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option of every command that brokers can help."""
    option = click.option(
        "--broker", "brokers", metavar="[HOST:PORT]", multiple=True, is_flag=False, flag_value="",
        callback=_usage(lambda text: not text or Address.parse(text)),
        help="Meet peers that are behind a NAT too: through this broker, or without an address those that are "
        "announced. May be said several times.",
    )  # fmt: skip
    return option(command)


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


def _config(
    profile: str, grapes: tuple[str, ...], bootstrap: str | None, port: int | None, speaks: bool,
    brokers: tuple[str, ...] = (),
) -> PeerConfig:  # fmt: skip
    """Return the profile's settings with what the command line says in their place; `speaks`: with its identity."""
    store = SettingsStore(profile)
    saved = PeerConfig.from_settings(store.load())
    if store.problem:
        click.echo(store.problem, err=True)
    nodes = _nodes(bootstrap)
    return PeerConfig(
        # a bootstrap list asks for a grape of our own, whatever the settings say
        grapes=grapes or (saved.grapes if nodes is None else ()),
        bootstrap=saved.bootstrap if nodes is None else nodes,
        dht_port=saved.dht_port,
        api_port=saved.api_port,
        udp_port=saved.udp_port if port is None else port,
        trust_file=store.trust_file,
        calls_file=store.calls_file,
        audiences=saved.audiences,
        identity=KeyPlace(store.path.parent, profile, _say) if speaks else None,
        use_broker=bool(brokers) or saved.use_broker,
        brokers=tuple(text for text in brokers if text) if brokers else saved.brokers,
    )


def _start(
    job: Callable[[PeerConfig, Output], Any], *, quiet: bool, profile: str, verbose: bool, as_json: bool,
    grapes: tuple[str, ...], bootstrap: str | None, port: int | None, speaks: bool = False,
    brokers: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Run a job; one that `speaks` to other peers needs to be somebody."""
    set_up_logging(profile, verbose=verbose)
    output = Output(as_json=as_json, quiet=quiet)
    config = _config(profile, grapes, bootstrap, port, speaks, brokers)
    run(lambda: job(config, output), output, fast=not quiet)  # a quiet command asks once and ends


def _jobs() -> ModuleType:
    """Load what the commands do only when one is run: `--help` answers at once."""
    from core.cli import jobs

    return jobs


def _json(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LocalError(f"the payload is not JSON ({error}); write it like '{{\"length\": 10}}'") from None
    return value


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
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
    callback=_usage(check_profile),
    show_default=True,
    help="Another name runs another peer beside the first.",
)
@click.option("--hidden", is_flag=True, help="Start in the tray, where there is one.")
@click.option(
    "--grape",
    "grapes",
    metavar="URL",
    multiple=True,
    callback=_usage(check_grape_url),
    help="Use this grape instead of the settings'.",
)
@click.option(
    "--bootstrap",
    metavar="H:P,...",
    default=None,
    callback=_usage(_nodes),
    help="Nodes the embedded grape joins instead of the settings'.",
)
@click.pass_context
def grapevine(
    context: click.Context, profile: str, hidden: bool, grapes: tuple[str, ...], bootstrap: str | None
) -> None:
    """Share a small service from behind a home router. Without a command: open the window."""
    if context.invoked_subcommand is not None:
        # said before the command they mean the same as behind it
        given = {"profile": profile, "grapes": grapes, "bootstrap": bootstrap}
        said = {name: value for name, value in given.items() if value and value != DEFAULT_PROFILE}
        context.default_map = {context.invoked_subcommand: said}
        return
    from desktop.display import display_problem, qt_problem  # the one way from here to the desktop, and only now

    problem = qt_problem() or display_problem(os.environ)
    if problem:
        click.echo(problem, err=True)
        raise click.exceptions.Exit(2)
    from desktop.__main__ import main as desktop

    sys.exit(desktop(profile, hidden=hidden, grapes=grapes, bootstrap=_nodes(bootstrap)))


@grapevine.command()
@click.option(
    "--dp",
    "--dht_port",
    "dht_port",
    type=click.IntRange(0, 65535),
    default=20001,
    show_default=True,
    help="UDP port of the DHT.",
)
@click.option(
    "--aph",
    "--api_port",
    "api_port",
    type=click.IntRange(0, 65535),
    default=30001,
    show_default=True,
    help="TCP port of the HTTP API.",
)
@click.option(
    "--bn",
    "--bootstrap",
    "bootstrap",
    default="",
    metavar="H:P,...",
    callback=_usage(_nodes),
    help="Bootstrap nodes; '' is a lone grape.",
)
@click.option(
    "-b",
    "--b",
    "--bind",
    "bind",
    default=None,
    metavar="HOST",
    help="Listening host; without it all interfaces, so whoever reaches a port may announce and store.",
)
@click.option(
    "--api-host",
    "api_hosts",
    metavar="NAME",
    multiple=True,
    help="A name by which links reach the HTTP API; other names are refused, IP addresses never.",
)
@click.option(
    "--dc",
    "--dht_concurrency",
    "concurrency",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    help="Queries in flight per lookup.",
)
@click.option(
    "--dht_maxTables",
    "max_tables",
    type=click.IntRange(1),
    default=5000,
    show_default=True,
    help="Names with peers, kept at once.",
)
@click.option(
    "--dht_maxValues",
    "max_values",
    type=click.IntRange(1),
    default=5000,
    show_default=True,
    help="Stored values, kept at once.",
)
@click.option(
    "--dpa",
    "--dht_peer_maxAge",
    "peer_age",
    type=click.IntRange(1),
    default=120_000,
    show_default=True,
    help="Milliseconds a peer is listed after its last announce.",
)
@click.option("--cache_maxAge", "cache_age", type=click.IntRange(0), default=0, help="Accepted; lookups are fresh.")
@click.option(
    "--dnl",
    "--dht_nodeLiveness",
    "liveness",
    type=click.IntRange(1),
    default=300_000,
    show_default=True,
    help="Milliseconds between looks for dead nodes.",
)
@click.option(
    "--check_maxPayloadSize",
    "max_payload",
    type=click.IntRange(1),
    default=8192,
    show_default=True,
    help="Bytes of an HTTP body.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--verbose", is_flag=True, help="Show the log on stderr.")
def grape(
    dht_port: int, api_port: int, bootstrap: str, bind: str | None, api_hosts: tuple[str, ...], concurrency: int,
    max_tables: int, max_values: int, peer_age: int, cache_age: int, liveness: int, max_payload: int, as_json: bool,
    verbose: bool,
) -> None:  # fmt: skip
    """Run a grape: a DHT node and its HTTP API. The flags are the Node grape's."""
    set_up_logging("grape", verbose=verbose)
    output = Output(as_json=as_json)

    async def job() -> None:
        config = GrapeConfig(
            dht_port=dht_port,
            api_port=api_port,
            bootstrap=_nodes(bootstrap) or (),
            bind=bind or "0.0.0.0",
            api_hosts=api_hosts,
            dht_concurrency=concurrency,
            max_tables=max_tables,
            max_values=max_values,
            peer_max_age=peer_age / 1000,
            cache_max_age=cache_age / 1000,
            node_liveness=liveness / 1000,
            check_max_payload_size=max_payload,
        )
        await _jobs().run_grape(config, output)

    run(job, output, fast=True)


@grapevine.command()
@click.argument("service")
@click.option(
    "--audience",
    type=click.Choice(["trusted", "identified", "anyone"]),
    default=None,
    help="Who may call it, this time: only peers you trust, anyone with an ID, or anyone at all.",
)
@_brokered
@_network
def share(service: str, audience: str | None, **network: Any) -> None:  # noqa: ANN401 - the options of `_network`
    """Share SERVICE (fibonacci) until Ctrl-C."""
    whom = None if audience is None else Audience(audience)
    _start(lambda config, output: _jobs().share(config, output, service, whom), quiet=False, speaks=True, **network)


@grapevine.command()
@_network
def broker(**network: Any) -> None:  # noqa: ANN401
    """Bring peers together that are both behind a NAT, until Ctrl-C: only their addresses pass through here.

    It must be reachable itself: run it on a public machine, with --port, and a grape that others know.
    """
    _start(
        lambda config, output: _jobs().broker(replace(config, act_as_broker=True), output),
        quiet=False,
        speaks=True,
        **network,
    )


@grapevine.command()
@click.argument("service")
@click.option("--length", type=int, default=10, show_default=True, help="How many numbers to ask for.")
@click.option("--once", is_flag=True, help="Print the first reply and end.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True, help="Seconds --once waits."
)
@_brokered
@_network
def consume(service: str, length: int, once: bool, timeout: float, **network: Any) -> None:  # noqa: ANN401
    """Want SERVICE (fibonacci): be found, be punched, ask, until Ctrl-C."""
    _start(
        lambda config, output: _jobs().consume(config, output, service, {"length": length}, once, timeout),
        quiet=once,
        speaks=True,
        **network,
    )


@grapevine.command()
@click.argument("target", metavar="SERVICE|HOST:PORT|PEER-ID[/SERVICE]")
@click.argument("payload", metavar="PAYLOAD_JSON")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds to wait for the answer.",
)
@_brokered
@_network
def request(target: str, payload: str, timeout: float, **network: Any) -> None:  # noqa: ANN401
    """Ask a service by name, or a peer at an address or by its ID, and print the result as JSON.

    By its ID a peer is found wherever it is, and is asked encrypted and verified or not at all.
    """
    try:
        value = _json(payload)
    except PeerError as error:
        raise click.BadParameter(str(error), param_hint="PAYLOAD_JSON") from None
    _start(
        lambda config, output: _jobs().request(config, output, target, value, timeout),
        quiet=True,
        speaks=True,
        **network,
    )


@grapevine.command()
@click.argument("name", metavar="NAME|PEER-ID")
@_network
def lookup(name: str, **network: Any) -> None:  # noqa: ANN401
    """Print who is announced under NAME, or where PEER-ID says it is, one host:port a line."""
    _start(lambda config, output: _jobs().lookup(config, output, name), quiet=True, **network)


@grapevine.command()
@click.argument("name")
@click.argument("service_port", metavar="PORT", type=click.IntRange(1, 65535))
@_network
def announce(name: str, service_port: int, **network: Any) -> None:  # noqa: ANN401
    """Announce NAME at PORT once; the grapes list it for two minutes."""
    _start(lambda config, output: _jobs().announce(config, output, name, service_port), quiet=True, **network)


@grapevine.command()
@click.argument("value")
@_network
def put(value: str, **network: Any) -> None:  # noqa: ANN401
    """Store VALUE on the grapes and print its hash."""
    _start(lambda config, output: _jobs().put(config, output, value), quiet=True, **network)


@grapevine.command()
@click.argument("hash", metavar="HASH")
@_network
def get(hash: str, **network: Any) -> None:  # noqa: ANN401
    """Print what is stored under HASH."""
    _start(lambda config, output: _jobs().get(config, output, hash), quiet=True, **network)


grapevine.add_command(trust)
grapevine.add_command(calls)
grapevine.add_command(identity)
grapevine.add_command(install)
grapevine.add_command(uninstall)
