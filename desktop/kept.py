"""Shares and openings that last: what the user changes in the window is written into the settings, one by one.

An entry of the settings that cannot be read stays in the file as it is, and is not run.
"""

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject

from core.errors import LocalError
from core.kinds.share import Share
from core.peer_id import PeerId
from core.profile.settings import Settings, SettingsStore
from core.profile.shares import KeptUse, with_share, with_use, without_share, without_use
from desktop.bridge import Bridge
from desktop.choices import Choices

NOT_KEPT = (
    "The settings are damaged, and you have not looked at them: what you change about shares is not remembered. "
    "Confirm the settings first."
)


class Kept(QObject):
    """`say` hears a sentence about what is not remembered."""

    def __init__(self, bridge: Bridge, store: SettingsStore, choices: Choices, say: Callable[[str], None]) -> None:
        super().__init__(choices)
        self._store, self._choices, self._say = store, choices, say
        bridge.sharing.kept.connect(self._keep_share)
        bridge.sharing.dropped.connect(self._drop_share)
        bridge.using.kept.connect(self._keep_use)
        bridge.using.dropped.connect(self._drop_use)

    def _keep_share(self, share: Share) -> None:
        self._change(lambda settings: with_share(settings, share))

    def _drop_share(self, name: str) -> None:
        self._change(lambda settings: without_share(settings, name))

    def _keep_use(self, use: KeptUse) -> None:
        self._change(lambda settings: with_use(settings, use))

    def _drop_use(self, peer_id: PeerId, service: str) -> None:
        self._change(lambda settings: without_use(settings, peer_id, service))

    def _change(self, what: Callable[[Settings], Settings]) -> None:
        """Change the settings, unless they are closed: the list there is not the one that the owner had."""
        if self._store.problem is not None:
            self._say(NOT_KEPT)
            return
        try:
            self._choices.change(what(self._choices.current))
        except LocalError as error:
            text = str(error).rstrip(".")
            self._say(f"{text[:1].upper()}{text[1:]}.")


def with_switches(chosen: Settings, current: Settings) -> Settings:
    """Return what was chosen in a dialog, with what only switches change as that is by now."""
    return replace(
        chosen, shares=current.shares, uses=current.uses, sharing=current.sharing, consuming=current.consuming
    )
