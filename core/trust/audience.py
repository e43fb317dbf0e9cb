"""Who may call a service that is shared."""

import enum
from collections.abc import Mapping
from typing import Final


class Audience(enum.StrEnum):
    """Who may call a service; the value is what settings and the command line say."""

    TRUSTED = "trusted"
    IDENTIFIED = "identified"
    ANYONE = "anyone"
    OFF = "off"

    @property
    def sentence(self) -> str:
        """What it means, for people."""
        return _SENTENCES[self]


_SENTENCES: Final = {
    Audience.TRUSTED: "only peers I trust",
    Audience.IDENTIFIED: "anyone with an ID",
    Audience.ANYONE: "anyone, plain Grenache peers too",
    Audience.OFF: "off",
}

# The demo computes what everybody may know, and existing peers are to find it; all else is its owner's.
OPEN_BY_DEFAULT: Final = frozenset({"fibonacci"})


EVERY_SERVICE: Final = "*"  # instead of a name: whatever is not named, as after a damaged file


def audience_of(service: str, chosen: Mapping[str, Audience]) -> Audience:
    """Return the audience that was chosen for a service or for all that are not named, else its default."""
    if EVERY_SERVICE in chosen:
        return chosen.get(service, chosen[EVERY_SERVICE])
    default = Audience.ANYONE if service in OPEN_BY_DEFAULT else Audience.TRUSTED
    return chosen.get(service, default)
