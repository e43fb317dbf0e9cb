"""Options about HTTP and WebSocket: where services are opened, and by which certificates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from core.cli.options import usage
from core.errors import LocalError
from core.grenache.config import Tls, WebConfig, transports_of
from core.profile.place import LOOPBACK, read_place

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def web_options(command: Command) -> Command:
    """Add the options of a command that opens services."""
    for option in (
        click.option("--origin", "origins", multiple=True, metavar="URL",
                     help="A web page that may call, by its origin, such as https://example.org."),
        click.option("--tls-required", is_flag=True,
                     help="Only callers with a certificate: of --tls-ca, or any."),
        click.option("--tls-ca", type=_FILE, default=None, metavar="FILE",
                     help="Only certificates of these authorities. Without it: any, told apart by their fingerprints."),
        click.option("--tls-key", type=_FILE, default=None, metavar="FILE", help="The key of --tls-cert, in PEM."),
        click.option("--tls-cert", type=_FILE, default=None, metavar="FILE",
                     help="TLS over HTTP and WebSocket, with this certificate, in PEM."),
        click.option("--map", "web_map", is_flag=True,
                     help="Ask the router to open the port of --listen, so that the Internet reaches it."),
        click.option("--listen", metavar="[HOST:]PORT", default=None, callback=usage(read_place),
                     help="TCP port of HTTP and WebSocket. Without a host: only programs on this machine reach it."),
        click.option("--transport", metavar="NAME,...", multiple=True, callback=_transports,
                     help="Over what it is shared: utp, http, ws, or pub, which publishes values over WebSocket. "
                     "Without it: utp, or as the permanent share says."),
    ):  # fmt: skip
        command = option(command)
    return command


def _transports(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> str | None:
    """Take `--transport utp,http` and `--transport utp --transport http` alike."""
    text = ",".join(value) if value else None
    usage(transports_of)(context, parameter, text)
    return text


def web_config(
    listen: str | None, cert: Path | None, key: Path | None, ca: Path | None, required: bool, origins: tuple[str, ...],
    web_map: bool = False,
) -> WebConfig | None:  # fmt: skip
    """Return what the options say together, None when nothing was said. Raises click's usage error."""
    if listen is None and cert is None and key is None and ca is None and not required and not origins and not web_map:
        return None
    if (cert is None) != (key is None) or (cert is None and (ca is not None or required)):
        raise click.UsageError("TLS needs both --tls-cert and --tls-key")
    tls = None if cert is None or key is None else Tls(cert, key, ca, required)
    host, port = read_place(listen) if listen else (LOOPBACK, 0)
    try:
        web = WebConfig(host, port, tls, origins, web_map)
    except LocalError as error:
        raise click.UsageError(str(error)) from None
    if web_map and not web.reachable:
        raise click.UsageError("--map needs a port that others reach: write --listen with a host, as in 0.0.0.0:1337")
    return web
