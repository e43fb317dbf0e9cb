"""What was on is on again: the services that are on are kept in the settings, and turned on at the next start."""

from collections.abc import Mapping
from typing import Final

from core.profile.settings import Settings
from desktop.bridge import Bridge, Wish
from desktop.choices import Choices

MAX_KEPT: Final = 32  # services; the settings take no more


def resume(bridge: Bridge, settings: Settings) -> None:
    """Wish for what was on when the program ended, or was ended."""
    for service in settings.share_at_start:
        bridge.set_sharing(service, True)


def remember(choices: Choices, wanted: Mapping[Wish, bool]) -> None:
    """Keep what the user has turned on now; what nobody has touched in this run stays as it was."""
    kept = dict.fromkeys(choices.current.share_at_start, True)
    kept.update({wish.service: on for wish, on in wanted.items() if wish.share})
    choices.replace(share_at_start=tuple(service for service, on in kept.items() if on)[:MAX_KEPT])
