"""What was on is on again: the services that are on are kept in the settings, and turned on at the next start."""

from typing import Final

from core.profile.settings import Settings
from core.profile.shares import kept_shares, kept_uses
from desktop.bridge import Bridge, Wish
from desktop.choices import Choices

MAX_KEPT: Final = 32  # services; as many as the settings take


def resume(bridge: Bridge, settings: Settings) -> None:
    """Wish for what was on when the program ended, or was ended."""
    for service in settings.sharing:
        bridge.set_sharing(service, True)
    for service in settings.consuming:
        bridge.set_consuming(service, True)
    bridge.sharing.hold(kept_shares(settings).shares)
    bridge.using.hold(use for use in kept_uses(settings) if use.at_login)


def remember(choices: Choices, wish: Wish, on: bool) -> None:
    """Keep that the user turned a switch."""
    if wish.share:
        choices.replace(sharing=_with(choices.current.sharing, wish.service, on))
    else:
        choices.replace(consuming=_with(choices.current.consuming, wish.service, on))


def _with(services: tuple[str, ...], service: str, on: bool) -> tuple[str, ...]:
    others = tuple(each for each in services if each != service)
    return (*others[: MAX_KEPT - 1], service) if on else others
