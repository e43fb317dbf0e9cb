"""`grapevine install` and `uninstall`: the entry in the system's menu, its icons, and the start at login."""

from typing import TYPE_CHECKING

import click

from core.cli.output import Output
from core.errors import LocalError, PeerError
from core.profile.settings import DEFAULT_PROFILE, SettingsStore, check_profile
from core.values import JsonValue

if TYPE_CHECKING:
    from core.profile.integration import Integration


def _profile(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        return check_profile(value)
    except LocalError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _integration(profile: str) -> "Integration":
    from core.profile.integration import integration  # only when it is needed: `--help` answers at once

    return integration(profile)


@click.command()
@click.option("--autostart/--no-autostart", default=None, help="Start at login too, hidden in the tray; or no more.")
@click.option("--profile", default=DEFAULT_PROFILE, callback=_profile, show_default=True, help="Whose.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def install(autostart: bool | None, profile: str, as_json: bool) -> None:
    """Put Grapevine into the menu of this desktop, for this user, from where it is now."""
    output = Output(as_json=as_json)
    try:
        ours = _integration(profile)
        written = ours.install()
        if autostart is not None:
            ours.set_autostart(autostart)
        state = ours.autostart()
    except PeerError as error:
        output.failure(error)
        raise click.exceptions.Exit(1) from None
    login = "It starts at login." if state.on else "It does not start at login: --autostart changes that."
    text = f"Grapevine is in the menu: {written[0]}. {login}" if written else login
    output.result("installed", text, files=[str(path) for path in written], autostart=state.on)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def uninstall(as_json: bool) -> None:
    """Take menu entry, icons and the start at login away. Settings stay; it says where they are."""
    output = Output(as_json=as_json)
    try:
        gone = _integration(DEFAULT_PROFILE).uninstall()
    except PeerError as error:
        output.failure(error)
        raise click.exceptions.Exit(1) from None
    settings = SettingsStore().path.parent
    import platformdirs

    logs = platformdirs.user_log_dir("grapevine", appauthor=False)
    removed = "\n".join(["Removed:", *(f"  {path}" for path in gone)]) if gone else "There was nothing to remove."
    text = (
        f"{removed}\nLeft: {settings} (settings, known peers, the record of calls, and keys that are no keyring's), "
        f"{logs} (the log), and the keys in this computer's keyring, named 'grapevine'. "
        "Remove them to forget this peer for good."
    )
    files: list[JsonValue] = [str(path) for path in gone]
    output.result("uninstalled", text, files=files, settings=str(settings), log=str(logs))
