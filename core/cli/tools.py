"""`grapevine lookup`, `announce`, `put`, `get` and `keygen`: what grenache-cli's tools do, at the grapes."""

import time
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from core.cli.options import network_options
from core.cli.output import Output
from core.cli.running import finish, refused
from core.cli.starting import start
from core.errors import LocalError, PeerError


def _jobs() -> ModuleType:
    """Load what the commands do only when one is run: `--help` answers at once."""
    from core.cli import tool_jobs

    return tool_jobs


@click.command()
@click.argument("name", metavar="NAME|PEER-ID")
@click.option("--first", "which", flag_value="first", help="The first one alone.")
@click.option("--last", "which", flag_value="last", help="The last one alone.")
@click.option("--random", "which", flag_value="random", help="One of them, drawn at random.")
@network_options
def lookup(name: str, which: str | None, **network: Any) -> None:  # noqa: ANN401
    """Print the addresses announced under NAME, or those of PEER-ID: one host:port on each line."""
    start(lambda config, output: _jobs().lookup(config, output, name, which), brief=True, **network)


@click.command()
@click.argument("name")
@click.argument("service_port", metavar="PORT", type=click.IntRange(1, 65535))
@network_options
def announce(name: str, service_port: int, **network: Any) -> None:  # noqa: ANN401
    """Announce NAME at PORT once; the grapes list it for two minutes."""
    start(lambda config, output: _jobs().announce(config, output, name, service_port), brief=True, **network)


@click.command()
@click.argument("value")
@click.option("--mutable", is_flag=True, help="Sign it: it can be changed later, under the same hash.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="With --mutable: a key that 'grapevine keygen' made. Without it: the profile's own.",
)
@click.option("--salt", default="", help="With --mutable: one key can have a value for each salt.")
@click.option(
    "--number",
    type=click.IntRange(0, 2**63 - 1),
    default=None,
    help="With --mutable: its sequence number. Without it: the time in microseconds.",
)
@click.option(
    "--cas",
    type=click.IntRange(0, 2**63 - 1),
    default=None,
    help="With --mutable: only if this sequence number is stored now.",
)
@network_options
def put(
    value: str, mutable: bool, key_file: Path | None, salt: str, number: int | None, cas: int | None,
    **network: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Store VALUE on the grapes and print its hash."""
    if not mutable and (key_file or salt or number is not None or cas is not None):
        raise click.UsageError("--key, --salt, --number and --cas are about --mutable")
    sequence = time.time_ns() // 1000 if number is None else number

    def job(config: Any, output: Any) -> Any:  # noqa: ANN401 - loaded only when it is run: `--help` answers at once
        if not mutable:
            return _jobs().put(config, output, value)
        place = key_file or _jobs().key_file(network["profile"])
        return _jobs().put_mutable(config, output, value, place, salt, sequence, cas)

    start(job, brief=True, **network)


@click.command()
@click.argument("hashes", metavar="HASH...", nargs=-1, required=True)
@click.option("--salt", default="", help="The salt with which a mutable value was stored.")
@click.option("--raw", "part", flag_value="raw", help="All that the grape answers, as JSON.")
@click.option("--id", "part", flag_value="id", help="The ID of the node that had it.")
@click.option("--write", "part", flag_value="token", help="The token with which that node can be written to.")
@network_options
def get(hashes: tuple[str, ...], salt: str, part: str | None, **network: Any) -> None:  # noqa: ANN401
    """Print what is stored under each HASH."""
    start(lambda config, output: _jobs().get(config, output, hashes, salt, part), brief=True, **network)


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=None, required=False)
@click.option("--profile", default="default", show_default=True, help="Without FILE: the profile that gets the key.")
@click.option("-f", "--force", is_flag=True, help="Write over a key that is there.")
def keygen(file: Path | None, profile: str, force: bool) -> None:
    """Make a key for 'put --mutable': FILE, which only you can read, and FILE.pub with the public key in hex."""
    output = Output(as_json=False)
    try:
        place = file or _jobs().key_file(profile)
        _jobs().make_key(place, force=force)
        output.result("keygen", f"{place.name}: keypair generated successfully.")
    except PeerError as error:
        refused(error, output)
    except OSError as error:
        refused(LocalError(f"the key cannot be written: {error.strerror or error}"), output)
    finish(output)
