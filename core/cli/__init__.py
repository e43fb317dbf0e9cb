"""The command line. Importing this is cheap; the commands are loaded inside `main`, where Ctrl-C is already tamed."""

import sys


def main() -> None:
    """Run `grapevine`, the console script. Exits 0, 1 (it failed), 2 (used wrongly), 130 (Ctrl-C), 143 (SIGTERM)."""
    try:
        from core.cli.commands import grapevine

        grapevine(prog_name="grapevine")
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)  # noqa: T201 - the one line that Ctrl-C leaves
        sys.exit(130)
