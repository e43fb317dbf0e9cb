"""The command line. Importing this is cheap; the commands are loaded inside `main`, where Ctrl-C is already tamed."""

import sys

from core.cli.openssl import wait_for_need
from core.cli.streams import open_missing_streams


def main() -> None:
    """Run `grapevine`, the console script. `core.cli.exits` has the exit codes."""
    open_missing_streams()
    wait_for_need()
    try:
        from core.cli.commands import grapevine

        grapevine(prog_name="grapevine")
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)  # noqa: T201 - the one line that Ctrl-C leaves
        sys.exit(130)
