"""Grapevine among a system's programs: the entry in its menu, and the start at login."""

import sys

from core.profile.integration.base import Integration, State, program
from core.profile.integration.linux import LinuxIntegration
from core.profile.integration.macos import MacIntegration
from core.profile.integration.windows import WindowsIntegration

__all__ = ["Integration", "State", "integration", "program"]


def integration(profile: str) -> Integration:
    """Return this system's way, for the program that runs now."""
    if sys.platform == "win32":
        return WindowsIntegration(profile, program())
    if sys.platform == "darwin":
        return MacIntegration(profile, program())
    return LinuxIntegration(profile, program())
