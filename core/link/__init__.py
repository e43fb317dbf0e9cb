"""The client of a grape's HTTP API."""

from core.link.announcing import Announcement
from core.link.config import LinkConfig
from core.link.grapes import LinkState
from core.link.link import Link

__all__ = ["Announcement", "Link", "LinkConfig", "LinkState"]
