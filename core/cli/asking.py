"""Options of commands that ask services of plain Grenache peers: over which transport, and with which certificate."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.cli.options import usage
from core.errors import LocalError
from core.grenache.config import HTTP, UTP, WS
from core.peer_id import PeerId

if TYPE_CHECKING:
    from core.grenache.asker import Ask

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def ask_options(command: Command) -> Command:
    """Add the options."""
    for option in (
        click.option("--fingerprint", metavar="SHA256|PEER-ID", default=None, callback=usage(PeerId.parse),
                     help="The server's certificate has to have this fingerprint, or this Peer ID."),
        click.option("--tls-ca", type=_FILE, default=None, metavar="FILE",
                     help="The server's certificate has to be of these authorities."),
        click.option("--tls-key", type=_FILE, default=None, metavar="FILE", help="The key of --tls-cert, in PEM."),
        click.option("--tls-cert", type=_FILE, default=None, metavar="FILE", help="Our certificate, in PEM."),
        click.option("--tls", is_flag=True, help="TLS over HTTP or WebSocket."),
        click.option("--retry", type=click.IntRange(1, 100), default=1, show_default=True,
                     help="How many times in all, over HTTP and WebSocket: each time somebody drawn at random."),
        click.option("--compress", is_flag=True, help="Pack what goes and comes over HTTP (grc-compress)."),
        click.option("--transport", type=click.Choice([UTP, HTTP, WS]), default=None,
                     help="How a service is asked by its name. Without it: that is found out."),
    ):  # fmt: skip
        command = option(command)
    return command


def ask_of(
    transport: str | None, compress: bool, retry: int, tls: bool, tls_cert: Path | None, tls_key: Path | None,
    tls_ca: Path | None, fingerprint: str | None,
) -> "Ask":  # fmt: skip
    """Return what the options say together. Raises click's usage error."""
    from core.grenache.asker import Ask
    from core.grenache.client_tls import ClientTls

    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("a certificate needs both --tls-cert and --tls-key")
    if not (tls or tls_cert or tls_ca or fingerprint):
        return Ask(transport or "", compress=compress, retry=retry)
    if transport == UTP:
        raise click.UsageError("TLS is for http and ws: uTP encrypts by itself when a Peer ID is asked")
    expected = None if fingerprint is None else PeerId.parse(fingerprint)
    files = ClientTls(tls_cert, tls_key, tls_ca, expected)
    try:
        files.context()
    except LocalError as error:
        raise click.UsageError(str(error)) from None
    return Ask(transport or HTTP, files, compress, retry)
