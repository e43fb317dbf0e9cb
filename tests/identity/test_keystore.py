"""Where keys are kept: doubles for every way a keyring fails, files, and (below) a real Secret Service."""

import json
import stat
import threading
from pathlib import Path

import pytest

from core.errors import LocalError
from core.identity.identity import Identity
from core.identity.keystore import SERVICE, Kept, Keyring, KeyStore


class Box:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.items[service, username]


class Swallowing(Box):
    """As keyring's null backend."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class Broken(Box):
    """As keyring's fail backend."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError("no keyring here")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError("no keyring here")


class Locked(Box):
    """Waits for a user who never comes."""

    def __init__(self) -> None:
        super().__init__()
        self.unlocked = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.unlocked.wait(60)
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.unlocked.wait(60)


def store(
    directory: Path, keyring: Keyring, *, profile: str = "default", passphrase: str | None = None, wait: float = 10
) -> KeyStore:
    return KeyStore(directory, profile, find_keyring=lambda: keyring, passphrase=passphrase, keyring_time=wait)


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


pytestmark = pytest.mark.asyncio


async def test_the_first_open_makes_a_key_and_later_ones_find_it(tmp_path: Path) -> None:
    box = Box()
    first, keeping = await store(tmp_path, box).open()
    again, _ = await store(tmp_path, box).open()
    assert again.peer_id == first.peer_id
    assert keeping.kept is Kept.KEYRING
    assert keeping.protected
    assert list(box.items) == [(SERVICE, "default")]
    assert modes(tmp_path) == {"default.identity.json": 0o600}


async def test_profiles_are_different_peers(tmp_path: Path) -> None:
    box = Box()
    first, _ = await store(tmp_path, box).open()
    second, _ = await store(tmp_path, box, profile="work").open()
    assert first.peer_id != second.peer_id


@pytest.mark.parametrize("keyring", [Broken(), Swallowing()])
async def test_without_a_keyring_a_file_that_only_its_owner_reads(tmp_path: Path, keyring: Box) -> None:
    first, keeping = await store(tmp_path, keyring).open()
    again, _ = await store(tmp_path, keyring).open()
    assert again.peer_id == first.peer_id
    assert keeping.kept is Kept.FILE
    assert not keeping.protected
    assert str(tmp_path / "default.key") in keeping.sentence
    assert modes(tmp_path) == {"default.identity.json": 0o600, "default.key": 0o600}


async def test_a_passphrase_protects_the_file(tmp_path: Path) -> None:
    first, keeping = await store(tmp_path, Broken(), passphrase="correct horse").open()
    assert keeping.protected
    assert b"ENCRYPTED" in (tmp_path / "default.key").read_bytes()
    assert (await store(tmp_path, Broken(), passphrase="correct horse").open())[0].peer_id == first.peer_id
    for passphrase in (None, "battery staple"):
        with pytest.raises(LocalError) as refused:
            await store(tmp_path, Broken(), passphrase=passphrase).open()
        assert refused.value.name == "ERR_PASSPHRASE"


async def test_a_locked_keyring_makes_nobody_another_peer(tmp_path: Path) -> None:
    box = Box()
    first, _ = await store(tmp_path, box).open()
    locked = Locked()
    with pytest.raises(LocalError, match="did not answer") as refused:
        await store(tmp_path, locked, wait=0.05).open()
    locked.unlocked.set()
    assert refused.value.name == "ERR_IDENTITY_LOCKED"
    assert first.peer_id.short in str(refused.value)
    assert (await store(tmp_path, box).open())[0].peer_id == first.peer_id


async def test_a_locked_keyring_at_the_very_first_start_leads_to_the_file(tmp_path: Path) -> None:
    locked = Locked()
    _, keeping = await store(tmp_path, locked, wait=0.05).open()
    locked.unlocked.set()
    assert keeping.kept is Kept.FILE


async def test_an_item_that_vanished_or_changed_is_said(tmp_path: Path) -> None:
    box = Box()
    await store(tmp_path, box).open()
    box.items[SERVICE, "default"] = "not base64!"
    with pytest.raises(LocalError, match="something else"):
        await store(tmp_path, box).open()
    box.items.clear()
    with pytest.raises(LocalError, match="not in the keyring any more"):
        await store(tmp_path, box).open()
    await store(tmp_path, box).replace(Identity.generate())
    (tmp_path / "default.identity.json").write_text(
        json.dumps({"peer_id": str(Identity.generate().peer_id), "kept": "keyring"})
    )
    with pytest.raises(LocalError, match="not that of peer"):
        await store(tmp_path, box).open()


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"peer_id": "AAAA", "kept": "file"}', "x" * 5000])
async def test_a_note_that_cannot_be_read_costs_no_identity(tmp_path: Path, note: str) -> None:
    box = Box()
    first, _ = await store(tmp_path, box).open()
    path = tmp_path / "default.identity.json"
    whole = path.read_text()
    path.write_text(note)
    with pytest.raises(LocalError, match="cannot be read"):
        await store(tmp_path, box).open()
    path.write_text(whole)
    assert (await store(tmp_path, box).open())[0].peer_id == first.peer_id


async def test_an_imported_key_takes_the_place_of_the_old(tmp_path: Path) -> None:
    await store(tmp_path, Broken()).open()
    imported = Identity.generate()
    keeping = await store(tmp_path, Box()).replace(imported)
    assert keeping.kept is Kept.KEYRING
    assert not (tmp_path / "default.key").exists()


async def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(LocalError, match="could not be kept"):
        await store(blocked / "below", Broken()).open()


async def test_a_missing_file_is_said_and_not_replaced(tmp_path: Path) -> None:
    await store(tmp_path, Broken()).open()
    (tmp_path / "default.key").unlink()
    with pytest.raises(LocalError, match="put it back, or import it"):
        await store(tmp_path, Broken()).open()
    assert not (tmp_path / "default.key").exists()
