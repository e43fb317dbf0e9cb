"""`grapevine consume` and `request`: to ask somebody's service."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from core.cli.asking import ask_of, ask_options
from core.cli.options import broker_option, network_options, output_option, quiet_option, seconds_option
from core.cli.starting import start
from core.errors import LocalError, PeerError
from core.values import JsonValue


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


@click.command()
@click.argument("service")
@click.option("--length", type=int, default=10, show_default=True, help="How many numbers to ask for.")
@click.option("--once", is_flag=True, help="Print the first reply and stop.")
@seconds_option(10.0, "Seconds that --once waits for a reply.")
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


@click.command()
@click.argument("target", metavar="SERVICE|HOST:PORT|PEER-ID[/SERVICE]")
@click.argument("payload", metavar="PAYLOAD_JSON", default="null")
@seconds_option(10.0, "Seconds to wait for the answer.")
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
