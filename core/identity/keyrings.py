"""The system's keyring, through the package `keyring`, which is loaded only when it is asked."""

import contextlib
from typing import Any, Protocol


class Keyring(Protocol):
    """What is used of the package `keyring`."""

    def get_password(self, service: str, username: str) -> str | None:
        """Return the secret, None when there is none."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""


def system_keyring() -> Keyring:
    """Return the system's. Slow (0.2 s), and what it returns may turn out not to work."""
    import keyring  # slow to load, and only needed here

    return keyring.get_keyring()


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
