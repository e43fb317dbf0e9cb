"""`grapevine broker`: bringing others together, and, for those who ask for more, passing their packets on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from core.carrying.config import CarrierPorts
from core.cli.options import network_options, quiet_option
from core.cli.starting import start

_PASSES = {"friends": "friends", "anyone": "everyone", "no": "off"}


@click.command()
@click.option(
    "--relay", "passes", type=click.Choice(list(_PASSES)), default=None,
    help="Pass packets on where two cannot reach each other: for friends of this profile, for anyone who asks here (1 "
    "Mbit/s and 100 MB of a pair), or not at all. Without it: as the settings say.",
)  # fmt: skip
@click.option(
    "--listen-tcp", "tcp", type=click.IntRange(0, 65535), default=None, metavar="PORT",
    help="Serve those whose UDP is blocked at this TCP port; 0: not at all. Without it: at the number of the UDP port, "
    "while packets are passed on.",
)  # fmt: skip
@click.option(
    "--listen-ws", "wss", type=click.IntRange(1, 65535), default=None, metavar="PORT",
    help="Serve them by WebSocket with TLS too, at this TCP port. They look for 443.",
)  # fmt: skip
@click.option("--tls-cert", type=click.Path(path_type=Path), default=None, metavar="FILE",
              help="With --listen-ws: the certificate, in PEM. Any will do: what is inside is encrypted.")  # fmt: skip
@click.option("--tls-key", type=click.Path(path_type=Path), default=None, metavar="FILE",
              help="With --listen-ws: its key, in PEM.")  # fmt: skip
@quiet_option
@network_options
def broker(
    passes: str | None, tcp: int | None, wss: int | None, tls_cert: Path | None, tls_key: Path | None,
    **network: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Be a broker until Ctrl-C: help two peers that are both behind a NAT to find each other.

    A broker sees their addresses, never what they say. It must be reachable itself: run it on a public machine, with
    --port, and with a grape that others know. With --relay it also passes packets on for those who cannot reach each
    other; it sees who is in touch and how much passes, and cannot read it.
    """
    if (wss is None) != (tls_cert is None) or (wss is None) != (tls_key is None):
        raise click.UsageError("--listen-ws, --tls-cert and --tls-key are given together")

    def job(config: Any, output: Any) -> Any:  # noqa: ANN401 - loaded only when it is run: `--help` answers at once
        from core.cli.jobs import broker as run

        ports = CarrierPorts(tcp, wss, tls_cert, tls_key)
        relay = config.relay if passes is None else _PASSES[passes]
        return run(replace(config, act_as_broker=True, relay=relay, carry=ports), output)

    start(job, brief=False, speaks=True, **network)
