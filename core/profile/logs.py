"""Where detail goes: a bounded log file per profile, and stderr when asked for."""

import logging
import logging.handlers
import sys
from pathlib import Path

import platformdirs

LOG_BYTES = 1 << 20  # bytes per file; two kept: a day of a busy peer at INFO
LOG_FILES = 2
OURS = "grapevine"  # our handlers' name; several share it
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_path(profile: str) -> Path:
    """Return the log file of a profile."""
    return Path(platformdirs.user_log_dir("grapevine", appauthor=False)) / f"{profile}.log"


def set_up_logging(profile: str, *, verbose: bool = False) -> None:
    """Send the log to the profile's file, and to stderr when `verbose`. A disk that refuses costs only the file."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == OURS]:  # set up again: not twice
        root.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = []
    if verbose:
        handlers.append(logging.StreamHandler(sys.stderr))
    try:
        path = log_path(profile)
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(
            logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, delay=True)
        )
    except OSError:
        handlers.append(logging.NullHandler())
    for handler in handlers:
        handler.name = OURS
        handler.setFormatter(logging.Formatter(FORMAT))
        root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.raiseExceptions = False  # a full disk must not print tracebacks into somebody's pipe
