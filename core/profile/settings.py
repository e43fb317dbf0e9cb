"""Settings that last: one typed record per profile, one JSON file, read by the window and the command line alike.

A damaged file never opens what was closed. As long as its owner has not looked, nothing is shared and nobody may call;
what could be read is kept, and holds again once the owner has confirmed it.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import platformdirs

from core.errors import LocalError
from core.files.kept import keep_damaged
from core.files.leftovers import remove_leftovers
from core.files.lock import locked
from core.files.private import make_private_directory, read_private, write_private
from core.profile.document import MAX_FILE_BYTES, Reading, dump, nothing, read
from core.profile.fields import (
    DEFAULT_PROFILE,
    MAX_AUDIENCES,
    CloseAction,
    PassesOn,
    Said,
    Settings,
    WindowState,
    check_grape_url,
    check_profile,
)
from core.profile.merge import merge

__all__ = [
    "DEFAULT_PROFILE",
    "MAX_AUDIENCES",
    "CloseAction",
    "PassesOn",
    "Said",
    "Settings",
    "SettingsStore",
    "WindowState",
    "check_grape_url",
    "check_profile",
]

_ADVICE: Final = "Until you have looked at it, nothing is shared and nobody may call"


class SettingsStore:
    """The files of one profile.

    After `load`, `problem` is a sentence when the file is damaged, or gone though the profile was used: then what was
    loaded is closed. `recovered` is what could be read, and what `confirm` puts in force. `notices` are sentences that
    close nothing, for example that other users could read the file.
    """

    def __init__(self, profile: str = DEFAULT_PROFILE, *, root: Path | None = None) -> None:
        base = root if root is not None else Path(platformdirs.user_config_dir("grapevine", appauthor=False))
        self.profile = check_profile(profile)
        self.path = base / f"{self.profile}.json"
        self.trust_file = base / f"{self.profile}.trust.json"
        self.invitations_file = base / f"{self.profile}.invitations.json"
        self.places_file = base / f"{self.profile}.places.json"
        self.mainline_file = base / f"{self.profile}.mainline.json"
        self.open_peers_file = base / f"{self.profile}.open-peers.json"
        self.calls_file = base / f"{self.profile}.calls.sqlite3"
        self.problem: str | None = None
        self.notices: tuple[str, ...] = ()
        self.recovered = Settings()
        self._loaded = Settings()  # what `load` returned
        self._words = ""  # what is wrong, without what to do
        self._unknown: Mapping[str, object] = {}
        self._writing = threading.Lock()  # the window's last writing may meet one that a thread has begun

    def load(self) -> Settings:
        """Return the settings to use: those that were saved, or the defaults; closed ones, if there is a `problem`.

        It changes nothing in the file and never moves it.
        """
        reading = self._read()
        self.recovered, self._unknown, self._words = reading.settings, reading.unknown, reading.words()
        self.problem = self._sentence() if reading.problems else None
        self._loaded = self.recovered.closed() if reading.problems else self.recovered
        return self._loaded

    def save(self, settings: Settings, base: Settings | None = None) -> Settings:
        """Write the settings, whole or not at all; return what was written. Raises LocalError when the disk refuses.

        With `base`, which is what the settings were when they were read or written last, what another program of this
        profile has changed since stays (`core.profile.merge`). It blocks while another one writes: 5 s at most.

        While there is a `problem` that nobody has confirmed, the damaged file is kept beside and the new one says so:
        it has what could be read and what was changed since, and stays closed at the next start.
        """
        settings.validate()
        with self._turn():
            if self.problem is None:
                if base is not None:
                    settings = self._with_others(settings, base)
                self._write(settings, None)
                return settings
            confirmed = self._was_confirmed()
            same = {each.name for each in dataclasses.fields(settings) if self._is_as_loaded(each.name, settings)}
            kept: dict[str, Any] = {name: getattr(self.recovered, name) for name in same}
            self._write(dataclasses.replace(settings, **kept), None if confirmed else self._words)
            return settings

    def change(self, what: Callable[[Settings], Settings]) -> Settings:
        """Load the settings, change and save them, with no other program in between; return them.

        Raises LocalError (ERR_SETTINGS) while they are damaged. What a damaged file still has holds only after its
        owner has looked: nothing is added to it before.
        """
        with self._turn():
            settings = self.load()
            if self.problem is not None:
                raise LocalError(self.problem.removesuffix("."), name="ERR_SETTINGS")
            changed = what(settings).validate()
            self._write(changed, None)
            return changed

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only one that writes, of our threads and of the programs of this profile."""
        with self._writing:
            try:
                make_private_directory(self.path.parent)
                with locked(self.path.with_suffix(".lock")):
                    yield
            except OSError as error:
                raise LocalError(f"settings could not be saved in {self.path}: {error.strerror or error}") from error

    def _with_others(self, settings: Settings, base: Settings) -> Settings:
        """Return the settings with what another program has written since `base`, if that is sound.

        Raises LocalError when the two together are too much: what is in the file stays.
        """
        reading = self._read() if _is_there(self.path) else None
        if reading is None or reading.problems or reading.settings == base:
            return settings
        merged = merge(base, settings, reading.settings).validate()
        self._unknown = reading.unknown
        return merged

    def confirm(self) -> Settings:
        """The owner has looked: put what could be read in force, save it, and return it. Raises LocalError.

        The damaged file is kept beside.
        """
        with self._turn():
            if self.problem is not None:
                if not self._was_confirmed():
                    self._write(self.recovered, None)
                self.problem, self._words, self._loaded = None, "", self.recovered
            return self.recovered

    def _was_confirmed(self) -> bool:
        """Tell whether another program has written a sound file meanwhile, and recover what is in that."""
        reading = self._read()
        if reading.problems or not _is_there(self.path):
            return False
        self.recovered, self._unknown = reading.settings, reading.unknown
        return True

    def start(self) -> Settings:
        """Load for a program that uses the profile: leftovers of killed ones go, and a new profile gets its file.

        From then on a file that is gone was removed. What is written later says that a disk refuses.
        """
        remove_leftovers(self.path.parent)
        settings = self.load()
        if self.problem is None and not _is_there(self.path):
            with contextlib.suppress(LocalError):
                self.save(settings)
        return settings

    def _is_as_loaded(self, name: str, settings: Settings) -> bool:
        return bool(getattr(settings, name) == getattr(self._loaded, name))

    def _read(self) -> Reading:
        notices: list[str] = []
        try:
            return read(read_private(self.path, MAX_FILE_BYTES, notices.append))
        except FileNotFoundError:
            if _is_there(self.path):
                return nothing("it is a link to a file that is not there")
            if self._was_used():
                return nothing("it is gone, though this profile was used before")
            return Reading(Settings())
        except OSError as error:
            return nothing(f"it cannot be read: {error.strerror or error}")
        finally:
            self.notices = tuple(notices)

    def _was_used(self) -> bool:
        """Tell whether there is a list of known peers: who has one has had settings."""
        return _is_there(self.trust_file) or _is_there(self.trust_file.with_suffix(".copy.json"))

    def _write(self, settings: Settings, unconfirmed: str | None) -> None:
        """Write the file. Raises OSError."""
        if self.path.exists():
            self._keep()
        write_private(self.path, dump(settings, self._unknown, unconfirmed))

    def _keep(self) -> None:
        """Keep a damaged file beside, also one that was damaged since we read it; but not one that we wrote since."""
        with contextlib.suppress(OSError):
            reading = read(read_private(self.path, MAX_FILE_BYTES))
            if not reading.problems or reading.rewritten:
                return
        keep_damaged(self.path)

    def _sentence(self) -> str:
        profile = "" if self.profile == DEFAULT_PROFILE else f" --profile {self.profile}"
        return (
            f"The settings file {self.path} could not be used: {self._words}. {_ADVICE}. "
            f"Look at the settings, then confirm them (grapevine settings confirm{profile})."
        )


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True
