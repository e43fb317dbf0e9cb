"""Options that several commands share, and checks that become click's own usage errors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from core.errors import LocalError
from core.profile.settings import DEFAULT_PROFILE, check_grape_url, check_profile
from core.values import Address

Command = TypeVar("Command", bound=Callable[..., Any])
Callback = Callable[[click.Context, click.Parameter, Any], Any]


def usage(check: Callable[[str], object]) -> Callback:
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


def nodes(text: str | None) -> tuple[str, ...] | None:
    """Split `H:P,H:P`. None stays None; an empty text is no node. Raises ValueError."""
    if text is None:
        return None
    return tuple(str(Address.parse(part)) for part in text.split(",") if part.strip())


def profile_option(command: Command) -> Command:
    """Add `--profile`."""
    return click.option(
        "--profile", default=DEFAULT_PROFILE, callback=usage(check_profile), show_default=True,
        help="The profile whose settings, key and known peers are used.",
    )(command)  # fmt: skip


def as_json_option(command: Command) -> Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")(command)


def verbose_option(command: Command) -> Command:
    """Add `--verbose`."""
    return click.option("--verbose", is_flag=True, help="Print the log, with every detail, on stderr.")(command)


def quiet_option(command: Command) -> Command:
    """Add `--quiet`."""
    return click.option(
        "--quiet", is_flag=True, help="Print problems only. With --json, events are printed all the same."
    )(command)


def network_options(command: Command) -> Command:
    """Add the options of every command that needs a grape."""
    return as_json_option(connection_options(command))


def seconds_option(default: float, text: str) -> Callable[[Command], Command]:
    """Return what adds `--timeout`, in seconds; `text` is its help."""
    return click.option(
        "--timeout", type=click.FloatRange(0, min_open=True), default=default, show_default=True, help=text
    )


timeout_option = seconds_option(15.0, "Seconds to wait for the other peer.")


def output_option(text: str) -> Callable[[Command], Command]:
    """Return what adds `-o FILE`; `text` is its help."""
    return click.option(
        "-o", "--output", "to", type=click.Path(path_type=Path), default=None, metavar="FILE", help=text
    )


def connection_options(command: Command) -> Command:
    """Add the options of a command that needs a grape and whose output is another program's."""
    for option in (
        profile_option,
        verbose_option,
        click.option("--port", type=click.IntRange(0, 65535), default=None,
                     help="UDP port of this peer. Without it: the settings' port, or any free one."),
        click.option("--bootstrap", metavar="H:P,...", default=None, callback=usage(nodes),
                     help="Nodes that the embedded grape joins, instead of those on this machine."),
        click.option("--no-lan", "no_lan", is_flag=True,
                     help="Do not look for other Grapevines on this network, and do not be found by them there."),
        click.option("--grape", "grapes", metavar="URL", multiple=True, callback=usage(check_grape_url),
                     help="Address of a grape, such as http://192.0.2.7:30001. Repeat it for others to fall back on."),
    ):  # fmt: skip
        command = option(command)
    return command


def broker_option(command: Command) -> Command:
    """Add the option of every command that brokers can help."""
    return click.option(
        "--broker", "brokers", metavar="[HOST:PORT]", multiple=True, is_flag=False, flag_value="",
        callback=usage(lambda text: not text or Address.parse(text)),
        help="Also meet peers that are behind a NAT, through this broker. Without an address: through the brokers that "
        "are announced. Can be repeated.",
    )(command)  # fmt: skip
