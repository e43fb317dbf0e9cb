"""The client of a grape's HTTP API."""

from core.directory.link.config import LinkConfig
from core.directory.link.grapes import LinkState
from core.directory.link.link import Link

__all__ = ["Link", "LinkConfig", "LinkState"]
