"""`grapevine id`: show, export, import and renew the identity of this peer."""

import asyncio
import io
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.cli.options import as_json_option, profile_option
from core.cli.output import Output
from core.cli.running import run
from core.errors import LocalError
from core.profile.logs import set_up_logging
from core.profile.settings import SettingsStore

if TYPE_CHECKING:  # what follows loads cryptography: only when an identity is wanted
    from core.identity.identity import Identity
    from core.identity.keystore import KeyStore

PASSPHRASE = "GRAPEVINE_PASSPHRASE"


@click.group("id", invoke_without_command=True)
@click.option("--short", is_flag=True, help="Print the first group only: to tell peers apart, not to trust them by.")
@click.option("--qr", is_flag=True, help="Print it as a QR code too.")
@profile_option
@as_json_option
@click.pass_context
def identity(context: click.Context, short: bool, qr: bool, profile: str, as_json: bool) -> None:
    """Show this peer's ID. Give it to people who should reach you."""
    if context.invoked_subcommand is not None:
        context.default_map = {context.invoked_subcommand: {"profile": profile, "as_json": as_json}}
        return
    output = Output(as_json=as_json)

    async def show() -> None:
        own, keeping = await key_store(profile).open()
        text = own.peer_id.short if short else str(own.peer_id)
        output.result(
            "id",
            f"{qr_code(str(own.peer_id))}\n{text}" if qr else text,
            peer_id=str(own.peer_id),
            short=own.peer_id.short,
            kept=keeping.kept.value,
            protected=keeping.protected,
        )
        if not keeping.protected:
            output.notice(keeping.sentence)
        if keeping.notice:
            output.notice(keeping.notice)

    _run(show, output, profile)


@identity.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@profile_option
@as_json_option
def export(file: Path, profile: str, as_json: bool) -> None:
    """Write the identity to FILE, protected by a passphrase.

    Anyone with this file and the passphrase can act as you.
    """
    output = Output(as_json=as_json)
    passphrase = _passphrase("Passphrase for the file", confirm=True)

    async def write() -> None:
        from core.files.private import write_private

        own, _ = await key_store(profile).open()
        try:
            write_private(file, own.export(passphrase))
        except OSError as error:
            raise LocalError(f"{file} could not be written: {error.strerror or error}") from error
        output.result("exported", f"Peer {own.peer_id.short} is in {file}.", peer_id=str(own.peer_id), file=str(file))

    _run(write, output, profile)


@identity.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Confirm without asking.")
@profile_option
@as_json_option
def import_(file: Path, yes: bool, profile: str, as_json: bool) -> None:
    """Use the identity that was exported to FILE."""
    output = Output(as_json=as_json)

    async def read() -> None:
        from core.identity.identity import MAX_EXPORT, Identity

        try:
            with file.open("rb") as opened:
                data = opened.read(MAX_EXPORT + 1)
        except OSError as error:
            raise LocalError(f"{file} could not be read: {error.strerror or error}") from error
        # asked in a thread, so that Ctrl-C is heard meanwhile
        passphrase = await asyncio.to_thread(_passphrase, "Passphrase of the file") if b"ENCRYPTED" in data else None
        new = Identity.from_pem(data, passphrase)
        question = f"Use the identity of peer {new.peer_id.short}? It replaces the one that is here now."
        await asyncio.to_thread(_confirm, yes, question)
        await _become(new, profile, output, "imported")

    _run(read, output, profile)


@identity.command()
@click.option("--yes", is_flag=True, help="Confirm without asking.")
@profile_option
@as_json_option
def renew(yes: bool, profile: str, as_json: bool) -> None:
    """Make a new identity. People who trust the old one do not know the new one."""
    output = Output(as_json=as_json)
    _confirm(
        yes,
        "Make a new identity? People who trust the old one do not know it. Without an export the old one is lost.",
    )

    async def make() -> None:
        from core.identity.identity import Identity

        await _become(Identity.generate(), profile, output, "renewed")

    _run(make, output, profile)


async def _become(new: "Identity", profile: str, output: Output, what: str) -> None:
    keeping = await key_store(profile).replace(new)
    text = f"This is peer {new.peer_id} now. {keeping.sentence} A running peer has to be started again."
    output.result(what, text, peer_id=str(new.peer_id), kept=keeping.kept.value, protected=keeping.protected)


def key_store(profile: str) -> "KeyStore":
    """Return where this profile's key is."""
    from core.identity.keystore import KeyStore

    return KeyStore(SettingsStore(profile).path.parent, profile, passphrase=os.environ.get(PASSPHRASE))


def _run(job: Callable[[], Coroutine[Any, Any, None]], output: Output, profile: str) -> None:
    set_up_logging(profile, verbose=False)
    run(job, output)


def _confirm(yes: bool, question: str) -> None:
    if not yes and not click.confirm(question, err=True):
        raise click.exceptions.Exit(1)


def _passphrase(prompt: str, *, confirm: bool = False) -> str:
    """Return the passphrase of the environment, or ask for it."""
    given = os.environ.get(PASSPHRASE)
    if given:
        return given
    asked: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return asked


def qr_code(text: str) -> str:
    """Return a text as a QR code for a terminal."""
    import segno

    drawn = io.StringIO()
    if (sys.stdout.encoding or "").lower().startswith("utf"):
        segno.make(text, error="m").terminal(drawn, compact=True)
    else:
        segno.make(text, error="m").terminal(drawn)
    return drawn.getvalue().rstrip("\n")
