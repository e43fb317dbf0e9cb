"""How a command ends, as a number: one table, from which `--help` and docs/reference are made."""

from typing import Final

from core.errors import LookupEmpty, PayloadError, PeerError, RefusedError, RequestTimeout, Unreachable

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2  # click's own
NOBODY: Final = 3
REFUSED: Final = 4
TIMED_OUT: Final = 5
NO_NETWORK: Final = 6
INTERRUPTED: Final = 130

MEANINGS: Final[dict[int, str]] = {
    OK: "It worked.",
    FAILED: "It failed here: a port in use, a damaged file, a full disk, a key that cannot be opened.",
    USAGE: "The command was used wrongly, or no window can be shown.",
    NOBODY: "Nobody is there: nobody announces this name, or nothing is stored under this hash or Peer ID.",
    REFUSED: "The other side, or a grape, answered with an error: not trusted, a wrong payload, too many requests.",
    TIMED_OUT: "No answer came in the time allowed.",
    NO_NETWORK: "The network or the grape cannot be reached, or the connection was cut.",
    INTERRUPTED: "Ctrl-C ended it.",
}
SIGNALS: Final = (
    "SIGTERM, SIGHUP and a closed pipe end a command cleanly and then by that signal, which a shell shows as 143, 129 "
    "and 141, and which systemd counts as success."
)

# Errors that say where they belong by their name, whatever their type.
_BY_NAME: Final = {
    "ERR_RECORD_MISSING": NOBODY,
    "ERR_RECORD_EXPIRED": NOBODY,
    "ERR_PEER_UNKNOWN": NOBODY,
    "ERR_GRAPE_LOOKUP": NOBODY,
    "ERR_GRAPE_NOTFOUND": NOBODY,
    "ERR_TIMEOUT": TIMED_OUT,
    "ERR_GRAPE_UNREACHABLE": NO_NETWORK,
    "ERR_TRANSPORT_CLOSE": NO_NETWORK,
}


def code(error: PeerError) -> int:
    """Return the exit code for an error."""
    if error.name in _BY_NAME:
        return _BY_NAME[error.name]
    if isinstance(error, LookupEmpty):
        return NOBODY
    if isinstance(error, RefusedError | PayloadError):
        return REFUSED
    if isinstance(error, RequestTimeout):
        return TIMED_OUT
    return NO_NETWORK if isinstance(error, Unreachable) else FAILED


def epilog() -> str:
    """Return the table for `--help`; the mark keeps click from joining its lines."""
    rows = "\n".join(f"  {number:>3}  {meaning}" for number, meaning in MEANINGS.items())
    return f"\b\nExit codes:\n{rows}\n\n{SIGNALS}"


def table() -> str:
    """Return the table for docs/reference."""
    rows = "\n".join(f"| {number} | {meaning} |" for number, meaning in MEANINGS.items())
    return f"| exit code | meaning |\n| --- | --- |\n{rows}\n\n{SIGNALS}\n"
