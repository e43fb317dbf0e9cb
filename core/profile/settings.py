"""Settings that last: one typed record per profile, one JSON file, read by the window and the command line alike."""

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs

from core.errors import LocalError
from core.files.private import write_private
from core.trust.audience import Audience
from core.values import Address

SCHEMA = 1
DEFAULT_PROFILE = "default"
MAX_AUDIENCES = 1024  # services; those that nobody offers now are kept, for when they are back
MAX_ENTRIES = 32  # grapes or bootstrap nodes; more is a mistake in the file, not a network
MAX_FILE_BYTES = 1 << 20  # a settings file is a few hundred bytes; a huge one is not ours

CloseAction = Literal["ask", "tray", "quit"]


@dataclass(frozen=True, slots=True)
class WindowState:
    """Where the window was: Qt's own opaque bytes, as base64."""

    geometry: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user chose. An empty `grapes` means the embedded grape; port 0 means any free port.

    `audiences` has who may call a service, by its name; one that is not there has its default.
    """

    grapes: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    dht_port: int = 20001  # customary first grape; the next free one is taken when it is in use
    api_port: int = 30001  # same
    udp_port: int = 0
    share_at_start: tuple[str, ...] = ()
    audiences: Mapping[str, Audience] = field(default_factory=dict, hash=False)
    act_as_broker: bool = False
    use_broker: bool = False
    brokers: tuple[str, ...] = ()  # host:port; none: those that are announced on the grapes
    notify_new_peers: bool = True
    close_action: CloseAction = "ask"
    window: WindowState = field(default_factory=WindowState)

    def validate(self) -> "Settings":
        """Return self. Raises LocalError with a sentence that names the first wrong value and what to write instead."""
        for url in self.grapes:
            check_grape_url(url)
        for what, nodes in (("bootstrap node", self.bootstrap), ("broker", self.brokers)):
            for node in nodes:
                try:
                    Address.parse(node)
                except ValueError as error:
                    raise LocalError(f"{what} {error}") from None
        for name in ("dht_port", "api_port", "udp_port"):
            value = getattr(self, name)
            if not 0 <= value <= 65535:
                raise LocalError(f"{name} {value} is not a port: use 0 (any) to 65535")
        for name in ("grapes", "bootstrap", "brokers", "share_at_start"):
            if len(getattr(self, name)) > MAX_ENTRIES:
                raise LocalError(f"{name} has more than {MAX_ENTRIES} entries")
        if len(self.audiences) > MAX_AUDIENCES:
            raise LocalError(f"audiences has more than {MAX_AUDIENCES} services")
        return self


def check_grape_url(url: str) -> str:
    """Return the URL. Raises LocalError unless it is http(s)://host:port with nothing behind it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise LocalError(f"{url!r} is not a grape's address: write it like http://192.0.2.7:30001")
    if port is None:
        usual = f"{url.rstrip('/')}:30001"
        raise LocalError(f"{url!r} has no port: a grape's HTTP API usually listens on 30001, as in {usual}")
    return url


def check_profile(name: str) -> str:
    """Return the profile's name. Raises LocalError unless it is 1 to 32 letters, digits, `-` or `_`."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name):
        raise LocalError(f"{name!r} is not a profile name: use 1 to 32 letters, digits, - or _")
    return name


class SettingsStore:
    """The files of one profile. `problem` is a sentence when the last `load` could not use what was there."""

    def __init__(self, profile: str = DEFAULT_PROFILE, *, root: Path | None = None) -> None:
        base = root if root is not None else Path(platformdirs.user_config_dir("grapevine", appauthor=False))
        self.profile = check_profile(profile)
        self.path = base / f"{self.profile}.json"
        self.trust_file = base / f"{self.profile}.trust.json"
        self.calls_file = base / f"{self.profile}.calls.sqlite3"
        self.problem: str | None = None

    def load(self) -> Settings:
        """Return the saved settings, or the defaults. A file that cannot be used is kept beside, never overwritten."""
        self.problem = None
        try:
            if self.path.stat().st_size > MAX_FILE_BYTES:
                raise LocalError("it is far too large")
            document = json.loads(self.path.read_text(encoding="utf-8"))
            return _from_document(document).validate()
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError, RecursionError, LocalError) as error:
            self.problem = self._set_aside(error)
            return Settings()

    def save(self, settings: Settings) -> None:
        """Write the settings, whole or not at all. Raises LocalError when the disk refuses."""
        document = {"schema": SCHEMA, **dataclasses.asdict(settings.validate())}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_private(self.path, (json.dumps(document, indent=2) + "\n").encode())
        except OSError as error:
            raise LocalError(f"settings could not be saved in {self.path}: {error.strerror or error}") from error

    def _set_aside(self, error: Exception) -> str:
        kept = self.path.with_suffix(".unreadable.json")
        try:
            self.path.replace(kept)
        except OSError:
            kept = self.path
        return f"The settings file could not be used ({error}). Defaults are in force; the old file is kept as {kept}."


def _from_document(document: object) -> Settings:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise LocalError(f"it is not a settings file of schema {SCHEMA}")
    window = document.get("window", {})
    known = _typed(Settings, {**document, "window": None})
    return Settings(**known, window=WindowState(**_typed(WindowState, window)))


def _typed(kind: type, values: object) -> dict[str, Any]:
    """Return the fields of `kind` found in `values`, each checked against its annotation; unknown keys are ignored."""
    if not isinstance(values, dict):
        raise LocalError(f"{kind.__name__} is not an object")
    hints = typing.get_type_hints(kind)
    found: dict[str, Any] = {}
    for name in (f.name for f in dataclasses.fields(kind)):
        value = values.get(name)
        if value is None:
            continue
        found[name] = _checked(name, value, hints[name])
    return found


def _checked(name: str, value: object, hint: Any) -> object:  # noqa: ANN401 - an annotation has no better type
    origin = typing.get_origin(hint)
    if origin is Literal:
        good = value in typing.get_args(hint)
    elif origin is tuple:
        good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        value = tuple(value) if good and isinstance(value, list) else value
    elif origin is Mapping:  # of names to one of an enumeration's values
        kind = typing.get_args(hint)[1]
        good = isinstance(value, dict) and all(item in iter(kind) for item in value.values())
        value = {key: kind(item) for key, item in value.items()} if good and isinstance(value, dict) else value
    else:
        expected = hint if isinstance(hint, type) else types.NoneType
        good = type(value) is expected
    if not good:
        raise LocalError(f"{name} has the wrong kind of value: {value!r}")
    return value
