"""Whether this peer speaks to its network unasked: the user's setting, and no automatic run."""

from collections.abc import Mapping
from typing import Final

SWITCH: Final = "GRAPEVINE_LAN"  # `on` or `off`, for tests and scripts; it outweighs CI, not the setting
PORT_MAPPING: Final = "GRAPEVINE_PORT_MAPPING"  # the same for what the router is asked; without it SWITCH holds


def allowed(wanted: bool, environment: Mapping[str, str], switch: str = SWITCH) -> bool:
    """Return whether to speak. Under CI=true nobody does: a build machine's network is not its user's to greet."""
    said = (environment.get(switch) or environment.get(SWITCH, "")).lower()
    if not wanted or said == "off":
        return False
    return said == "on" or environment.get("CI", "").lower() not in ("1", "true", "yes")
