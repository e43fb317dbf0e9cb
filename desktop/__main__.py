"""`python -m desktop`, and `main`, which the command line calls for a bare `grapevine`. No Qt until `main` runs."""

import argparse
import os
import sys
from collections.abc import Sequence

from core.cli.streams import open_missing_streams
from core.errors import LocalError
from core.profile.settings import DEFAULT_PROFILE, check_profile
from desktop.display import display_problem, qt_problem
from desktop.quitter import Quitter

EXIT_NO_WINDOW = 2  # as click's usage errors: nothing was started


def main(
    profile: str | None = None,
    hidden: bool = False,
    grapes: Sequence[str] = (),
    bootstrap: Sequence[str] | None = None,
    no_lan: bool = False,
    link: str = "",
) -> int:
    """Run the desktop program until it is quit, and return its exit code. Takes over SIGINT and SIGTERM for good.

    `profile` None is the default one. `hidden` starts in the tray, if there is one within 30 s. `grapes` (URLs),
    `bootstrap` (host:port; None: as set) and `no_lan` hold for this run and are not saved. `link` is an
    invitation to show, also by the window that is there already. Returns 0 after quitting, and when the first instance
    of the profile was shown instead; 1 when that one does not answer; 2, with a sentence on stderr, when no window can
    be shown.
    """
    open_missing_streams()
    chosen = profile or DEFAULT_PROFILE
    problem = display_problem(os.environ) or qt_problem() or _profile_problem(chosen)
    if problem:
        sys.stderr.write(f"{problem}\n")
        return EXIT_NO_WINDOW
    quitter = Quitter()
    quitter.catch_signals()
    from desktop.app import Start, start  # Qt comes in here

    nodes = None if bootstrap is None else tuple(bootstrap)
    return start(Start(chosen, hidden, tuple(grapes), nodes, no_lan, link), quitter)


def _profile_problem(profile: str) -> str | None:
    try:
        check_profile(profile)
    except LocalError as error:
        return str(error)
    return None


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="grapevine", description="Open Grapevine's window.")
    parser.add_argument("--profile", metavar="NAME", help="run another peer beside the first, with settings of its own")
    parser.add_argument("--hidden", action="store_true", help="start in the tray")
    parser.add_argument("--grape", metavar="URL", action="append", default=[], help="use this grape, for this run")
    parser.add_argument("--bootstrap", metavar="H:P,...", help="the embedded grape's first nodes, for this run")
    parser.add_argument("--no-lan", action="store_true", help="do not look for others on this network, for this run")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    given = _arguments(sys.argv[1:])
    nodes = None if given.bootstrap is None else [node for node in given.bootstrap.split(",") if node]
    sys.exit(main(given.profile, given.hidden, given.grape, nodes, given.no_lan))
