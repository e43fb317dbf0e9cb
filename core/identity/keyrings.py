"""The system's keyring, through the package `keyring`, which is loaded only where there may be one: it takes 3 MB."""

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

_BACKEND: Final = "PYTHON_KEYRING_BACKEND"  # as keyring's documentation has it
_NONE: Final = {"keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"}  # which keep nothing


class Keyring(Protocol):
    """What is used of the package `keyring`."""

    def get_password(self, service: str, username: str) -> str | None:
        """Return the secret, None when there is none."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""


class NoKeyring:
    """Where there is none. Both methods raise LookupError."""

    def get_password(self, service: str, username: str) -> str | None:
        """There is no secret, and no place for one."""
        raise LookupError("no keyring is configured here, and no session bus leads to one")

    def set_password(self, service: str, username: str, password: str) -> None:
        """There is no place for it."""
        self.get_password(service, username)


def system_keyring() -> Keyring:
    """Return the system's. Slow (0.2 s) where there may be one, and what it returns may turn out not to work."""
    if not may_be_there(os.environ):
        return NoKeyring()
    import ssl  # noqa: F401 - a back end of somebody else may need the hashes that the command line leaves out without it

    import keyring  # slow to load, and only needed here

    return keyring.get_keyring()


def may_be_there(env: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Tell whether `keyring` may find one. False only on Linux, where all that it knows by itself are on D-Bus.

    A board without a desktop has no session bus. Another back end that is installed there has to be named, in the
    environment or in the configuration file of `keyring`, as its documentation says.
    """
    named = env.get(_BACKEND)
    if named is not None or platform != "linux":
        return named not in _NONE
    home = env.get("HOME", "/nonexistent")
    config = Path(env.get("XDG_CONFIG_HOME") or f"{home}/.config", "python_keyring", "keyringrc.cfg")
    bus = Path(env.get("XDG_RUNTIME_DIR") or "/nonexistent", "bus")
    wanted = ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY")  # D-Bus can be started from a desktop
    return any(env.get(name) for name in wanted) or any(place.exists() for place in (config, bus))


def is_locked(keyring: Keyring) -> bool:
    """Tell whether this keyring is known to be locked, without having it ask its user. Slow. Raises nothing."""
    each: Any
    for each in getattr(keyring, "backends", [keyring]):  # of a chain of them, any
        if type(each).__module__ == "keyring.backends.SecretService":
            with contextlib.suppress(Exception):  # of D-Bus, of many implementations: then it is not known
                import secretstorage

                with contextlib.closing(secretstorage.dbus_init()) as connection:
                    if secretstorage.collection.get_collection_by_alias(connection, "default").is_locked():
                        return True
    return False
