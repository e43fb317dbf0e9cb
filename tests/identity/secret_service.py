"""A Secret Service of its own: gnome-keyring's daemon on a private session bus, with a home that is a test's folder."""

import contextlib
import gc
import os
import subprocess
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import secretstorage
from jeepney import DBusAddress, new_method_call  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection, open_dbus_connection  # type: ignore[import-untyped]

from tests.support import forks
from tests.support.tools import ROOT

PROMPTER = "org.gnome.keyring.SystemPrompter"  # asks a person for the keyring's password
PATIENCE = 60.0  # seconds; 0.2 is usual
# No directory of services: nothing of the machine's desktop is started on this bus.
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir={}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""


@dataclass(frozen=True)
class SecretService:
    """A running one. `env` leads programs to it, and keeps all their files under `home`."""

    home: Path
    env: dict[str, str]

    @property
    def settings(self) -> Path:
        """Where Grapevine's files are."""
        return self.home / "config" / "grapevine"

    def items(self) -> dict[str, str]:
        """Return what Grapevine keeps there: secrets by profile."""
        with self._connected() as connection:
            found = secretstorage.search_items(connection, {"service": "grapevine"})
            return {item.get_attributes()["username"]: item.get_secret().decode() for item in found}

    def delete(self, profile: str) -> None:
        """Delete an item, as a person may with the desktop's own program."""
        with self._connected() as connection:
            for item in secretstorage.search_items(connection, {"service": "grapevine", "username": profile}):
                item.delete()

    def lock(self) -> None:
        """Lock all that is there."""
        with self._connected() as connection:
            for collection in secretstorage.get_all_collections(connection):
                collection.lock()

    @contextlib.contextmanager
    def somebody_is_asked(self) -> Iterator[None]:
        """While this lasts there is somebody who would be asked for the password, and who never answers."""
        with self._connected() as connection:
            name = new_method_call(_BUS, "RequestName", "su", (PROMPTER, 0))
            connection.send_and_get_reply(name)
            yield

    @contextlib.contextmanager
    def _connected(self) -> Iterator[DBusConnection]:
        connection = open_dbus_connection(self.env["DBUS_SESSION_BUS_ADDRESS"])
        try:
            yield connection
        finally:
            connection.close()


_BUS = DBusAddress("/org/freedesktop/DBus", bus_name="org.freedesktop.DBus", interface="org.freedesktop.DBus")


@contextlib.contextmanager
def secret_service(home: Path, *, unlocked: bool = True) -> Iterator[SecretService]:
    """Start one. Not `unlocked`: as at a first login without a password, there is no collection and nobody to ask."""
    runtime = home / "run"
    for directory in (runtime, home / "data"):
        directory.mkdir(mode=0o700)
    with _bus(home, runtime) as address:
        service = SecretService(home, private_environment(home, runtime, address))
        command = ["gnome-keyring-daemon", "--foreground", "--components=secrets", *(["--unlock"] if unlocked else [])]
        with _running(command, service.env, b"the login's password" if unlocked else b""):
            _wait_for(service, unlocked)
            try:
                yield service
            finally:
                with warnings.catch_warnings():  # `keyring` leaves the connection of a collection that is locked open
                    warnings.simplefilter("ignore", ResourceWarning)
                    gc.collect()


def private_environment(home: Path, runtime: Path, address: str) -> dict[str, str]:
    """Return an environment whose files are all under `home`, on this session bus and with no desktop around."""
    keep = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV") if name in os.environ}
    own = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    return forks.as_forked({**keep, **own, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime),
            "PYTHONPATH": str(ROOT), "GRAPEVINE_LAN": "off", "DBUS_SESSION_BUS_ADDRESS": address})  # fmt: skip


@contextlib.contextmanager
def _bus(home: Path, runtime: Path) -> Iterator[str]:
    config = home / "bus.conf"
    config.write_text(_CONFIG.format(runtime))
    command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1"]
    with _running(command, dict(os.environ)) as daemon:
        if daemon.stdout is None:
            raise RuntimeError("no pipe")
        yield daemon.stdout.readline().decode().strip()


@contextlib.contextmanager
def _running(command: list[str], env: dict[str, str], said: bytes = b"") -> Iterator["subprocess.Popen[bytes]"]:
    """Run a daemon for the block, and no longer."""
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=null, env=env) as daemon:
        try:
            if daemon.stdin is not None:
                daemon.stdin.write(said)
                daemon.stdin.close()
            yield daemon
        finally:
            daemon.terminate()
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()


def _wait_for(service: SecretService, unlocked: bool) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with service._connected() as connection:
                if not unlocked or not secretstorage.get_default_collection(connection).is_locked():
                    return
                reason = "its collection is locked"
        except (secretstorage.exceptions.SecretStorageException, OSError) as error:
            reason = repr(error)
        if time.monotonic() > until:
            raise RuntimeError(f"the Secret Service did not start: {reason}")
        time.sleep(0.02)
