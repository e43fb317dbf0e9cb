"""The commands of `grapevine`. Names and flags are scripted against; do not rename them."""

import importlib
import os
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any, Final, NoReturn

import click

from core.cli import exits
from core.cli.options import nodes, profile_option, usage
from core.compiled import engines
from core.profile.settings import DEFAULT_PROFILE, check_grape_url, check_profile

# command -> its module in `core.cli`, and its name there: a run loads one of them, and `--help` all
PLACES: Final = {
    "announce": ("tools", "announce"),
    "broker": ("brokering", "broker"),
    "calls": ("calls", "calls"),
    "connect": ("using", "connect"),
    "consume": ("requests", "consume"),
    "doctor": ("standing", "doctor"),
    "fetch": ("using", "fetch"),
    "get": ("tools", "get"),
    "grape": ("grape", "grape"),
    "id": ("identity", "identity"),
    "install": ("install", "install"),
    "invitations": ("invitations", "invitations"),
    "invite": ("invitations", "invite"),
    "join": ("invitations", "join"),
    "keygen": ("tools", "keygen"),
    "lookup": ("tools", "lookup"),
    "offers": ("using", "offers"),
    "open": ("using", "open_command"),
    "path": ("using", "path"),
    "people": ("people", "people"),
    "put": ("tools", "put"),
    "request": ("requests", "request"),
    "settings": ("settings", "settings"),
    "share": ("share", "share"),
    "shares": ("shares", "shares"),
    "status": ("standing", "status"),
    "trust": ("trust", "trust"),
    "uninstall": ("install", "uninstall"),
    "watch": ("using", "watch"),
}


class _Commands(MutableMapping[str, click.Command]):
    """Commands by name; one of `PLACES` is loaded when it is asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module, attribute = PLACES[name]
            self._loaded[name] = getattr(importlib.import_module(f"core.cli.{module}"), attribute)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._loaded, **PLACES})

    def __len__(self) -> int:
        return len({**self._loaded, **PLACES})


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"{_version()} ({engines()})")
        context.exit()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # 2 MB and 20 ms that only --version needs

    try:
        return version("grapevine")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"


@click.group(
    commands=_Commands(),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=exits.epilog(),
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option(
    "--profile",
    default=DEFAULT_PROFILE,
    callback=usage(check_profile),
    show_default=True,
    help="A name of your choice: each profile is a peer of its own, with its own settings.",
)
@click.option("--hidden", is_flag=True, help="Open in the tray, without a window, where there is a tray.")
@click.option(
    "--grape",
    "grapes",
    metavar="URL",
    multiple=True,
    callback=usage(check_grape_url),
    help="Address of a grape to use instead of those in the settings.",
)
@click.option(
    "--bootstrap",
    metavar="H:P,...",
    default=None,
    callback=usage(nodes),
    help="Nodes that the embedded grape joins, instead of those in the settings.",
)
@click.option(
    "--no-lan",
    is_flag=True,
    help="Do not look for other Grapevines on this network, and do not be found by them there.",
)
@click.pass_context
def grapevine(
    context: click.Context, profile: str, hidden: bool, grapes: tuple[str, ...], bootstrap: str | None, no_lan: bool
) -> None:
    """Share a small service from behind a home router.

    Without a command it opens the window.
    """
    if context.invoked_subcommand is not None:
        # said before the command they mean the same as behind it
        given = {"profile": profile, "grapes": grapes, "bootstrap": bootstrap, "no_lan": no_lan}
        said = {name: value for name, value in given.items() if value and value != DEFAULT_PROFILE}
        context.default_map = {context.invoked_subcommand: said}
        return
    _open_window(profile, hidden=hidden, grapes=grapes, bootstrap=nodes(bootstrap), no_lan=no_lan)


def _open_window(profile: str, **run: Any) -> NoReturn:  # noqa: ANN401
    from desktop.display import display_problem, qt_problem  # the one way from here to the desktop, and only now

    problem = qt_problem() or display_problem(os.environ)
    if problem:
        click.echo(problem, err=True)
        raise click.exceptions.Exit(exits.USAGE)
    from desktop.__main__ import main as desktop

    sys.exit(desktop(profile, **run))


@grapevine.command(hidden=True)
@click.argument("link", default="")
@profile_option
def link(link: str, profile: str) -> None:
    """Show an invitation in the window, as a click on its link does. Nothing is accepted before the user says so."""
    _open_window(profile, link=link)
