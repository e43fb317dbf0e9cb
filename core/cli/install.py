"""`grapevine install` and `uninstall`: the entry in the system's menu, its icons, and the start at login."""

from typing import TYPE_CHECKING

import click

from core.cli.options import as_json_option, profile_option
from core.cli.output import Output
from core.cli.running import finish, refused
from core.errors import PeerError
from core.profile.settings import DEFAULT_PROFILE, SettingsStore
from core.values import JsonValue

if TYPE_CHECKING:
    from core.profile.integration import Integration


def _integration(profile: str) -> "Integration":
    from core.profile.integration import integration  # only when it is needed: `--help` answers at once

    return integration(profile)


@click.command()
@click.option("--autostart/--no-autostart", default=None, help="Start at login, hidden in the tray, or stop that.")
@profile_option
@as_json_option
def install(autostart: bool | None, profile: str, as_json: bool) -> None:
    """Add Grapevine to the menu of this desktop, for this user. It is started from where it is now."""
    output = Output(as_json=as_json)
    try:
        ours = _integration(profile)
        written = ours.install()
        if autostart is not None:
            ours.set_autostart(autostart)
        state = ours.autostart()
    except PeerError as error:
        refused(error, output)
    login = "It starts at login." if state.on else "It does not start at login: --autostart changes that."
    text = f"Grapevine is in the menu: {written[0]}. {login}" if written else login
    output.result("installed", text, files=[str(path) for path in written], autostart=state.on)
    finish(output)


@click.command()
@as_json_option
def uninstall(as_json: bool) -> None:
    """Remove the menu entry, the icons and the start at login. Settings and keys stay: it says where they are."""
    output = Output(as_json=as_json)
    try:
        gone = _integration(DEFAULT_PROFILE).uninstall()
    except PeerError as error:
        refused(error, output)
    settings = SettingsStore().path.parent
    import platformdirs

    logs = platformdirs.user_log_dir("grapevine", appauthor=False)
    removed = "\n".join(["Removed:", *(f"  {path}" for path in gone)]) if gone else "There was nothing to remove."
    text = (
        f"{removed}\nLeft: {settings} (settings, known peers, the record of calls, keys that are not in a keyring), "
        f"{logs} (the log), and the keys in this computer's keyring, named 'grapevine'. "
        "Remove them to forget this peer for good."
    )
    files: list[JsonValue] = [str(path) for path in gone]
    output.result("uninstalled", text, files=files, settings=str(settings), log=str(logs))
    finish(output)
