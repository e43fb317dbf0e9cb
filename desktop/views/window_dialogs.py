"""The dialogs of the main window that stay open beside it: the settings, and who this peer is; one of each."""

from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from core.news.events import IdentitySnapshot
from core.profile.integration import Integration
from core.profile.settings import Settings
from desktop.views.contract import BridgeLike
from desktop.views.identity_dialog import Acts, IdentityDialog
from desktop.views.settings_dialog import SettingsDialog
from desktop.views.trust_question import TrustQuestion


class WindowDialogs:
    """Opens them over the window, or brings the one that is open to the front."""

    def __init__(
        self, window: QWidget, bridge: BridgeLike, identity: Acts | None, integration: Integration | None,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`identity` acts on the key, `integration` on the start at login; without them neither can be changed."""
        self.trust = TrustQuestion(window, bridge, say)
        self._window = window
        self._bridge = bridge
        self._acts = identity
        self._integration = integration
        self._identity: IdentityDialog | None = None
        self.settings: SettingsDialog | None = None  # while it is open

    def open_identity(self) -> None:
        """Show who this peer is."""
        if self._identity is None and self._acts is not None:
            self._identity = IdentityDialog(self._acts, self._window)
            self._identity.finished.connect(self._identity_closed)
            snapshot = self._bridge.snapshot()
            self._identity.show_identity(snapshot.identity if snapshot is not None else IdentitySnapshot())
            self._identity.open()
        if self._identity is not None:
            self._identity.raise_()

    def show_identity(self, identity: IdentitySnapshot) -> None:
        """Take what the newest snapshot says of it."""
        if self._identity is not None:
            self._identity.show_identity(identity)

    def open_settings(
        self, settings: Settings, on_chosen: Callable[[Settings], None], on_autostart: Callable[[bool], None]
    ) -> None:
        """Let the user change the settings."""
        if self.settings is None:
            snapshot = self._bridge.snapshot()
            names = [service.name for service in snapshot.services] if snapshot is not None else []
            state = self._integration.autostart() if self._integration is not None else None
            self.settings = SettingsDialog(settings, names, self._window, autostart=state)
            self.settings.chosen.connect(on_chosen)
            self.settings.autostart_chosen.connect(on_autostart)
            self.settings.finished.connect(self._settings_closed)
            self.settings.open()
        self.settings.raise_()

    def _identity_closed(self, _result: int) -> None:
        self._identity = None

    def _settings_closed(self, _result: int) -> None:
        self.settings = None
