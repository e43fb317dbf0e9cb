"""The settings in force: changed on the window's thread, written behind its back, whole at the end."""

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from core.aio.tasks import TaskSet
from core.errors import LocalError
from core.profile.merge import merge
from core.profile.settings import Settings, SettingsStore

if TYPE_CHECKING:
    from core.profile.settings import WindowState

log = logging.getLogger(__name__)


class Choices(QObject):
    """One profile's settings. Writing happens in a thread, one at a time; of several changes the newest is written."""

    changed = Signal(object)  # Settings
    failed = Signal(str)  # a sentence: the disk refused

    def __init__(self, store: SettingsStore, settings: Settings, *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._written = self._current = settings
        self._tasks = TaskSet("settings")
        self._writing = False

    @property
    def current(self) -> Settings:
        """The settings in force."""
        return self._current

    def change(self, settings: Settings) -> None:
        """Put other settings in force and have them written."""
        if settings == self._current:
            return
        self._current = settings
        self.changed.emit(settings)
        if not self._writing:
            self._writing = True
            self._tasks.spawn(self._write(), name="save settings")

    def replace(self, **fields: Any) -> None:  # noqa: ANN401 - the fields of Settings, each of its own type
        """Change some fields of the settings."""
        self.change(dataclasses.replace(self._current, **fields))

    async def aclose(self, window: "WindowState") -> None:
        """Write what is not written yet, and where the window was. A few hundred bytes, so right here."""
        await self._tasks.aclose()
        last = dataclasses.replace(self._current, window=window)
        if last != self._written:
            try:
                self._store.save(last, self._written)
            except LocalError as error:
                log.warning("%s", error)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._current != self._written:
                saving = self._current
                written = await loop.run_in_executor(None, self._store.save, saving, self._written)
                self._written = written
                if written != saving:  # another program of this profile changed something too
                    self._current = merge(saving, self._current, written)
                    self.changed.emit(self._current)
        except LocalError as error:
            self.failed.emit(str(error))
        finally:
            self._writing = False
