"""Whether peers on the network are looked for at all: the user's setting, and no automatic run."""

from collections.abc import Mapping

SWITCH = "GRAPEVINE_LAN"  # `on` or `off`, for tests and scripts; it outweighs CI, not the setting


def allowed(wanted: bool, environment: Mapping[str, str]) -> bool:
    """Return whether to look. Under CI=true nobody does: a build machine's network is not its user's to greet."""
    said = environment.get(SWITCH, "").lower()
    if not wanted or said == "off":
        return False
    return said == "on" or environment.get("CI", "").lower() not in ("1", "true", "yes")
