"""`grapevine install` and `uninstall`: the entry in the system's menu, its icons, and the start at login or boot."""

import sys
from typing import TYPE_CHECKING

import click

from core.cli.options import as_json_option, profile_option
from core.cli.output import Output
from core.cli.running import finish, refused
from core.errors import LocalError, PeerError
from core.profile.settings import DEFAULT_PROFILE, SettingsStore
from core.values import JsonValue

if TYPE_CHECKING:
    from core.profile.integration import Integration
    from core.profile.integration.systemd import SystemdService


def _integration(profile: str) -> "Integration":
    from core.profile.integration import integration  # only when it is needed: `--help` answers at once

    return integration(profile)


def _service(profile: str) -> "SystemdService":
    from core.profile.integration import program
    from core.profile.integration.systemd import SystemdService

    return SystemdService(profile, program())


@click.command()
@click.option(
    "--service", is_flag=True, help="For a board without a screen: a systemd user unit that runs 'share --all'."
)
@click.option("--autostart/--no-autostart", default=None, help="Start at login, hidden in the tray, or stop that.")
@profile_option
@as_json_option
def install(service: bool, autostart: bool | None, profile: str, as_json: bool) -> None:
    """Add Grapevine to the menu of this desktop, for this user. It is started from where it is now."""
    output = Output(as_json=as_json)
    if service:
        if autostart is not None:
            raise click.UsageError("--service is for a board, --autostart for a desktop: use one of them")
        _install_service(profile, output)
        return
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


def _install_service(profile: str, output: Output) -> None:
    ours = _service(profile)
    try:
        if not sys.platform.startswith("linux"):
            raise LocalError("--service makes a unit of systemd, which only Linux has")
        files = ours.install()
    except PeerError as error:
        refused(error, output)
    commands = [f"systemctl --user daemon-reload && systemctl --user restart {ours.name}", "loginctl enable-linger"]
    text = (
        f"The unit {files[0]} shares what this profile keeps ('grapevine shares' lists it).\n"
        f"Start it now:                         {commands[0]}\n"
        f"Let it start at boot, before a login: {commands[1]}\n"
        f"See what it does:                     journalctl --user -u {ours.name}"
    )
    output.result("installed", text, files=[str(path) for path in files], service=ours.name, commands=[*commands])
    finish(output)


@click.command()
@as_json_option
def uninstall(as_json: bool) -> None:
    """Remove the menu entry, the icons, and the start at login or boot. Settings and keys stay where it says."""
    output = Output(as_json=as_json)
    try:
        gone = _integration(DEFAULT_PROFILE).uninstall()
        gone += _service(DEFAULT_PROFILE).uninstall() if sys.platform.startswith("linux") else []
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
