"""The one place where the core meets Qt: events and snapshots become batched signals, the user's acts become tasks."""

from desktop.bridge.bridge import Bridge
from desktop.bridge.feed import BACKLOG
from desktop.bridge.requests import CLOSED, MAX_REQUESTS, RequestOutcome
from desktop.bridge.wishes import Wish

__all__ = ["BACKLOG", "CLOSED", "MAX_REQUESTS", "Bridge", "RequestOutcome", "Wish"]
