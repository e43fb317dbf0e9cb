"""Whether the public DHT is used at all: its owner's word, and no automatic run."""

from collections.abc import Mapping, Sequence
from typing import Final

from core.profile.fields import PUBLIC_DHT

SWITCH: Final = "GRAPEVINE_MAINLINE"  # `off` outweighs the setting; for scripts


def allowed(wanted: bool, bootstrap: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether to use it. Under CI=true nobody does, unless its nodes are others than the public ones."""
    if not wanted or environment.get(SWITCH, "").lower() == "off":
        return False
    automatic = environment.get("CI", "").lower() in ("1", "true", "yes")
    return not automatic or (bool(bootstrap) and not set(bootstrap) & set(PUBLIC_DHT))
