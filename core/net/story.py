"""What is logged of connections and punches, at debug level: what was tried, with which address, what came back.

The engines do not log. Callers check `told()` first: that check is all that a quiet program pays.
"""

import logging

from core.punch.events import PunchEvent, PunchFinished, PunchHeard
from core.utp.events import Closed, Connected, Ended, Incoming, Moved, Readable, UtpEvent, Writable
from core.wire.utp_marks import Marks

log = logging.getLogger("core.net")


def told() -> bool:
    """Return whether anybody wants to know."""
    return log.isEnabledFor(logging.DEBUG)


def tell_connection(event: UtpEvent) -> None:
    """Log what happened to a connection, except that data came or left."""
    remote = event.connection.remote
    match event:
        case Readable() | Writable():
            return
        case Connected():
            log.debug("%s answered: connected, %s", remote, _kind(event.connection.peer_marks))
        case Incoming():
            log.debug("%s connected to us, %s", remote, _kind(event.connection.peer_marks))
        case Ended():
            log.debug("%s ended its side", remote)
        case Moved():
            log.debug("%s is at %s now", event.old, event.new)
        case Closed(error=None):
            log.debug("the connection with %s is closed", remote)
        case Closed():
            log.debug("the connection with %s is over: %s", remote, event.error)


def tell_punch(event: PunchEvent) -> None:
    """Log what became of punches; that one left is told with the series."""
    match event:
        case PunchHeard():
            log.debug("%s punched us%s", event.remote, " for the first time" if event.first else "")
        case PunchFinished(confirmed=True):
            log.debug("punched %s: it hears us, and we hear it", event.remote)
        case PunchFinished(heard=True):
            log.debug("punched %s: we hear it; whether it hears us is not known", event.remote)
        case PunchFinished():
            log.debug("punched %s: nothing came back", event.remote)


def _kind(marks: Marks) -> str:
    return f"a peer of our kind ({marks.name})" if marks else "a plain peer"
