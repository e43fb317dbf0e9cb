"""`grapevine share`: a port, a page, a folder, a program, a sensor, a function, or the demo service."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from core.cli.options import broker_option, network_options, quiet_option, usage
from core.cli.output import Output
from core.cli.starting import start
from core.cli.wanted import ANY, Wanted
from core.cli.web_options import web_config, web_options
from core.errors import LocalError
from core.grenache.config import transports_of
from core.peer_id import PeerId
from core.trust.audience import Audience


@click.command()
@click.argument("targets", metavar="[SERVICE|PORT|URL|FOLDER|FILE.py:FUNCTION]...", nargs=-1)
@click.option("--name", default=None, help="What it is called for others. Without it: made of what it is.")
@click.option("--tcp", multiple=True, metavar="[HOST:]PORT", help="A TCP port, of this machine or another in the home.")
@click.option("--udp", multiple=True, metavar="[HOST:]PORT", help="A UDP port.")
@click.option(
    "--command",
    "commands",
    multiple=True,
    metavar="COMMAND",
    help="A program that answers JSON requests: one run for each.",
)
@click.option("--lines", is_flag=True, help="With --command: it goes on, and answers each line with a line.")
@click.option("--watch", "watches", multiple=True, metavar="COMMAND", help="A program whose lines are values.")
@click.option(
    "--grenache",
    multiple=True,
    metavar="NAME|HOST:PORT",
    help="A Grenache service over HTTP or WebSocket, of a server at home, looked up at the grape of this machine.",
)
@click.option(
    "--grenache-tls",
    metavar="FINGERPRINT|any",
    default=None,
    callback=usage(lambda text: text == ANY or PeerId.parse(text)),
    help="With --grenache: TLS to that server, whose certificate has this SHA-256 fingerprint, or any.",
)
@click.option("--drop", is_flag=True, help="Files can be put into the folder, and not be read.")
@click.option("--all", "everything", is_flag=True, help="All permanent shares of this profile.")
@click.option(
    "--accept-certificate",
    "accept",
    is_flag=True,
    help="With an https:// page: accept the certificate that it has now and no other, also a self-signed one.",
)
@click.option("--permanent", is_flag=True, help="Keep it: the window and 'share --all' share it again at each start.")
@click.option("--later", is_flag=True, help="With --permanent: keep it and end. A 'share --all' that runs begins it.")
@click.option(
    "--for",
    "friends",
    multiple=True,
    metavar="PEER",
    help="Trust this peer with what is shared: a Peer ID, or a name of your list.",
)
@click.option(
    "--to",
    "to",
    metavar="PEER|@GROUP",
    multiple=True,
    help="Let this peer use it, or all in this group of yours; others ask you first. Can be repeated.",
)
@click.option(
    "--audience",
    type=click.Choice(["trusted", "identified", "anyone"]),
    default=None,
    help="Who may use it: only peers you trust, anyone with a Peer ID, or anyone at all. "
    "Without it: trusted; fibonacci is for anyone.",
)
@web_options
@click.option("--list-ports", is_flag=True, help="Print what listens on this computer and how to share it, and end.")
@quiet_option
@broker_option
@network_options
def share(
    targets: tuple[str, ...], name: str | None, tcp: tuple[str, ...], udp: tuple[str, ...], commands: tuple[str, ...],
    lines: bool, watches: tuple[str, ...], grenache: tuple[str, ...], grenache_tls: str | None,
    drop: bool, everything: bool, permanent: bool,
    friends: tuple[str, ...], to: tuple[str, ...], audience: str | None, accept: bool, later: bool, list_ports: bool,
    transport: str | None, listen: str | None, web_map: bool,
    tls_cert: Path | None, tls_key: Path | None, tls_ca: Path | None, tls_required: bool, origins: tuple[str, ...],
    **network: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Share something until Ctrl-C; --list-ports shows what listens on this computer.

    \b
      grapevine share 8080 --name garden          a web page on this machine
      grapevine share http://192.168.1.5/         a web page in the home
      grapevine share ~/Pictures/holiday          a folder, to read
      grapevine share ~/inbox --drop              a folder, to put files into
      grapevine share --tcp 22                    a port
      grapevine share --watch './temp --every 5'  a sensor
      grapevine share ./garden.py:handle          a Python function
      grapevine share 8080 --to @family           for all in a group ('grapevine people group')
      grapevine share fibonacci                   the demo service
      grapevine share fibonacci --transport utp,http,ws   for every Grenache client
    """
    if list_ports:
        from core.cli.ports import print_ports

        print_ports(Output(as_json=network["as_json"]))
        return
    wanted = Wanted(
        targets, tcp, udp, commands, watches, name, drop, lines, permanent, frozenset({"fibonacci"}), grenache,
        grenache_tls or "", *network["grapes"][:1],
    )  # fmt: skip
    if not (targets or tcp or udp or commands or watches or grenache or everything):
        raise click.UsageError("name what to share: a SERVICE such as fibonacci, a port, a page, a folder; or --all")
    if later and (not permanent or everything or friends or to):
        raise click.UsageError(
            "--later keeps shares and ends: use it with --permanent, without --all, --for and --to "
            "('grapevine trust add', 'grapevine people group')"
        )
    if to and audience not in (None, "trusted"):
        raise click.UsageError(f"--to says who may use it, and --audience {audience} lets in others too: choose one")
    try:
        wanted.check()
    except LocalError as error:
        raise click.UsageError(str(error)) from None
    who = Audience(audience) if audience is not None else Audience.TRUSTED if to else None
    web = web_config(listen, tls_cert, tls_key, tls_ca, tls_required, origins, web_map)
    over = None if transport is None else transports_of(transport)

    def job(config: Any, output: Any) -> Any:  # noqa: ANN401 - loaded only when it is run: `--help` answers at once
        from core.cli.share_jobs import Order, keep
        from core.cli.share_jobs import share as run_share

        order = Order(
            wanted, network["profile"], everything, who, (*friends, *to), over, accept, web if permanent else None
        )
        web_too = config if web is None else replace(config, web=web)
        return keep(web_too, output, order) if later else run_share(web_too, output, order)

    start(job, brief=False, speaks=True, **network)
