"""`grapevine invite`, `invitations` and `join`: two people know each other by a link."""

from types import ModuleType
from typing import Any, Final

import click

from core.cli.options import as_json_option, broker_option, network_options, profile_option
from core.cli.starting import start
from core.errors import PeerError

DAYS: Final = 7.0  # as `core.invitations.entries.DAYS`, which is not loaded for --help


def _jobs() -> ModuleType:
    """Load what the commands do only when one is run: `--help` answers at once."""
    from core.cli import invitation_jobs

    return invitation_jobs


@click.command()
@click.argument("name")
@click.argument("shares", metavar="[SHARE]...", nargs=-1)
@click.option("--once", is_flag=True, help="For one person. This is the default.")
@click.option("--uses", type=click.IntRange(1, 100), default=None, metavar="N", help="For N people, with one link.")
@click.option(
    "--days",
    type=click.FloatRange(0, 365, min_open=True),
    default=DAYS,
    show_default=True,
    help="How long the link holds.",
)
@click.option("--as", "called", default="", metavar="NAME", help="How you will be called there.")
@click.option("--qr", is_flag=True, help="Print it as a QR code too.")
@profile_option
@as_json_option
def invite(
    name: str, shares: tuple[str, ...], once: bool, uses: int | None, days: float, called: str, qr: bool, profile: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Make a link that lets NAME know you and use each SHARE. Without a SHARE you only know each other.

    Send the link by any messenger. It is shown once. Grapevine has to run here, with this profile, until NAME has
    opened it.
    """
    if once and uses not in (None, 1):
        raise click.UsageError("--once is for one person, and --uses for several: say one of them")
    _jobs().invite(name, frozenset(shares), uses or 1, days, called, qr, profile, as_json)


@click.group(invoke_without_command=True)
@profile_option
@as_json_option
@click.pass_context
def invitations(context: click.Context, profile: str, as_json: bool) -> None:
    """List your invitations: not yet here, accepted and by which peer, expired, or withdrawn."""
    if context.invoked_subcommand is not None:
        context.default_map = {context.invoked_subcommand: {"profile": profile, "as_json": as_json}}
        return
    _jobs().show(profile, as_json)


@invitations.command()
@click.argument("number", type=click.IntRange(1))
@profile_option
@as_json_option
def withdraw(number: int, profile: str, as_json: bool) -> None:
    """Let nobody else join by invitation NUMBER. Who has joined stays in your list."""
    _jobs().withdraw(number, profile, as_json)


@invitations.command()
@profile_option
@as_json_option
def reset(profile: str, as_json: bool) -> None:
    """Set a damaged file of invitations aside, and begin with none."""
    _jobs().reset(profile, as_json)


def _link(context: click.Context, parameter: click.Parameter, value: str) -> str:
    from core.cli.pictures import said
    from core.invitations.link import parse  # loads nothing that --help does not need otherwise

    try:
        return str(parse(said(value)))
    except PeerError as error:
        raise click.BadParameter(f"{error.name}: {error}", context, parameter) from None


@click.command()
@click.argument("link", callback=_link)
@click.option("--name", default="", help="A name for the inviter, for you only.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="Give up after so long. Without it: wait for the inviter until Ctrl-C.",
)
@broker_option
@network_options
def join(link: str, name: str, timeout: float | None, **network: Any) -> None:  # noqa: ANN401
    """Open an invitation: you and the inviter know each other then.

    LINK may also be a file with the link in it, a picture of its QR code, or - for either of them on standard input.

    It says what it is doing and waits for.
    """
    start(
        lambda config, output: _jobs().join(config, output, link, name, timeout), brief=True, speaks=True, quiet=True,
        **network,
    )  # fmt: skip
