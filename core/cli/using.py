"""`grapevine offers`, `open`, `connect`, `watch` and `fetch`: what other peers share, used from here."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from core.cli.options import broker_option, connection_options, network_options, output_option, timeout_option
from core.cli.starting import start

_PLACE = click.argument("place", metavar="PEER/SERVICE")


def _jobs() -> ModuleType:
    """Load what the commands do only when one is run: `--help` answers at once."""
    from core.cli import use_jobs

    return use_jobs


def _run(job: Callable[..., Any], *, brief: bool, **network: Any) -> None:  # noqa: ANN401
    start(job, brief=brief, speaks=True, quiet=True, **network)


@click.command()
@click.argument("peer", metavar="PEER")
@timeout_option
@broker_option
@network_options
def offers(peer: str, timeout: float, **network: Any) -> None:  # noqa: ANN401
    """List what PEER shares with you. PEER is a Peer ID, or a name of your list ('grapevine trust list')."""
    _run(lambda config, output: _jobs().offers(config, output, peer, timeout), brief=True, **network)


@click.command()
@click.argument("peer", metavar="PEER")
@timeout_option
@broker_option
@network_options
def path(peer: str, timeout: float, **network: Any) -> None:  # noqa: ANN401
    """Connect to PEER, and say how: directly or through routers, why so, what was tried, and what would be better.

    PEER is a Peer ID, or a name of your list. `grapevine share` tells the way to each peer that comes by itself.
    """
    _run(lambda config, output: _jobs().path(config, output, peer, timeout), brief=True, **network)


@click.command("open")
@_PLACE
@click.option(
    "--listen",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Port of this machine. Without it: any free one.",
)
@click.option("--browser", is_flag=True, help="Open the page in the browser.")
@click.option("--permanent", is_flag=True, help="Open it again at the next start: of the window, or of 'share --all'.")
@timeout_option
@broker_option
@network_options
def open_command(
    place: str, listen: int, browser: bool, permanent: bool, timeout: float, **network: Any  # noqa: ANN401
) -> None:  # fmt: skip
    """Open a port, page or folder of another peer on this machine until Ctrl-C, and print where.

    A page gets an address for the browser, a port an address on 127.0.0.1 for any program.
    """
    profile = network["profile"]
    _run(
        lambda config, output: _jobs().open_service(
            config, output, place, listen, browser, permanent, timeout, profile
        ),
        brief=False,
        **network,
    )


@click.command()
@_PLACE
@click.option("--stdio", is_flag=True, required=True, help="Join standard input and output to the connection.")
@timeout_option
@broker_option
@connection_options
def connect(place: str, stdio: bool, timeout: float, **network: Any) -> None:  # noqa: ANN401
    """Connect to a port of another peer through standard input and output.

    For ssh: ssh -o ProxyCommand='grapevine connect PEER/ssh --stdio' user@PEER
    """
    _run(lambda config, output: _jobs().connect(config, output, place, timeout), brief=True, as_json=False, **network)


@click.command()
@click.argument("place", metavar="PEER/SERVICE|NAME")
@click.option("--once", is_flag=True, help="Print the newest value and stop.")
@timeout_option
@broker_option
@network_options
def watch(place: str, once: bool, timeout: float, **network: Any) -> None:  # noqa: ANN401
    """Print each new value of a sensor or another source of another peer, a line each, until Ctrl-C.

    When the other side is away it goes on by itself once that is back. A NAME without a slash, or HOST:PORT, is a plain
    Grenache publisher, which is listened to over WebSocket.
    """

    def job(config: Any, output: Any) -> Any:  # noqa: ANN401 - loaded only when it is run: `--help` answers at once
        if "/" in place:
            return _jobs().watch(config, output, place, once, timeout)
        from core.cli import web_jobs
        from core.grenache.asker import Ask

        return web_jobs.listen(config, output, place, once, timeout, Ask())

    _run(job, brief=False, **network)


@click.command()
@click.argument("place", metavar="PEER/FOLDER/FILE")
@output_option("Where to put it. Without it: here, under its own name.")
@timeout_option
@broker_option
@network_options
def fetch(place: str, to: Path | None, timeout: float, **network: Any) -> None:  # noqa: ANN401
    """Fetch a file of a folder that another peer shares. Started again it goes on where it stopped."""
    _run(lambda config, output: _jobs().fetch(config, output, place, to, timeout), brief=True, **network)
