# ruff: noqa: ASYNC240 - the files of a test are small, and nothing else waits for the loop
"""Where keys are kept: every way a keyring or a disk fails, by doubles. `test_secret_service.py` has a real keyring."""

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import LocalError
from core.files.lock import locked
from core.files.private import write_private
from core.identity.identity import Identity
from core.identity.keyrings import Keyring
from core.identity.keystore import SERVICE, KeyStore
from core.identity.note import Kept, Note


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
        self.asked = 0  # times

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        self.unlocked.wait(60)
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.asked += 1
        self.unlocked.wait(60)


def store(
    directory: Path, keyring: Keyring, *, profile: str = "default", passphrase: str | None = None, wait: float = 10
) -> KeyStore:
    return KeyStore(directory, profile, find_keyring=lambda: keyring, passphrase=passphrase, keyring_time=wait)


def modes(directory: Path) -> dict[str, int]:
    """Return the files but the lock, which is empty, and their modes."""
    found = [path for path in directory.iterdir() if path.suffix != ".lock"]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in found}


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


async def test_a_silent_keyring_is_waited_for_once(tmp_path: Path) -> None:
    locked = Locked()
    await store(tmp_path, locked, wait=0.5).open()
    assert locked.asked == 1
    locked.unlocked.set()


# -- what was there is found again, and never overwritten ---------------------------------------------------------


@pytest.mark.parametrize("keyring", [Box(), Broken()])
async def test_a_key_that_lost_its_note_is_found(tmp_path: Path, keyring: Box) -> None:
    """Settings that were removed, or a start that broke off between key and note, make nobody another peer."""
    first, _ = await store(tmp_path, keyring).open()
    (tmp_path / "default.identity.json").unlink()
    again, keeping = await store(tmp_path, keyring).open()
    assert again.peer_id == first.peer_id
    assert keeping.kept is (Kept.FILE if isinstance(keyring, Broken) else Kept.KEYRING)
    assert Note.load((tmp_path / "default.identity.json").read_bytes()).now.peer_id == first.peer_id


@pytest.mark.parametrize(
    "damage", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\0" * 50_000]
)
async def test_a_damaged_key_is_said_and_kept(tmp_path: Path, damage: bytes) -> None:
    await store(tmp_path, Broken()).open()
    key = tmp_path / "default.key"
    key.write_bytes(damage)
    for _ in range(2):  # with its note, and without
        with pytest.raises(LocalError) as refused:
            await store(tmp_path, Broken()).open()
        assert refused.value.name == "ERR_IDENTITY"
        assert key.read_bytes() == damage
        (tmp_path / "default.identity.json").unlink(missing_ok=True)
    renewed = Identity.generate()
    await store(tmp_path, Broken()).replace(renewed)
    assert (await store(tmp_path, Broken()).open())[0].peer_id == renewed.peer_id
    assert [path.read_bytes() for path in tmp_path.glob("default.key.damaged-*")] == [damage]


async def test_a_key_under_a_passphrase_that_is_missing_is_not_lost_by_renewing(tmp_path: Path) -> None:
    first, _ = await store(tmp_path, Broken(), passphrase="correct horse").open()
    await store(tmp_path, Broken()).replace(Identity.generate())
    [kept] = tmp_path.glob("default.key.damaged-*")
    assert Identity.from_pem(kept.read_bytes(), "correct horse").peer_id == first.peer_id


async def test_a_note_that_cannot_be_read_is_kept_by_renewing(tmp_path: Path) -> None:
    (tmp_path / "default.identity.json").write_text("once a note")
    await store(tmp_path, Box()).replace(Identity.generate())
    assert [path.read_text() for path in tmp_path.glob("*.damaged-*")] == ["once a note"]


@pytest.mark.parametrize("text", ["not base64!", "Schl\u00fcssel", "AAAA", ""])
async def test_what_is_no_key_in_the_keyring_is_said_and_left_there(tmp_path: Path, text: str) -> None:
    box = Box()
    box.items[SERVICE, "default"] = text
    with pytest.raises(LocalError, match="something else than your key"):
        await store(tmp_path, box).open()
    assert box.items == {(SERVICE, "default"): text}


class Crash(BaseException):
    """The end of the program, at the worst moment."""


class Fragile(Box):
    """A keyring that keeps what it is told, before or after the program ends."""

    def __init__(self, usable: bool, tick: Callable[[], None]) -> None:
        super().__init__()
        self.usable = usable
        self.tick = tick

    def set_password(self, service: str, username: str, password: str) -> None:
        if not self.usable:
            raise RuntimeError("no keyring here")
        self.tick()
        super().set_password(service, username, password)
        self.tick()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Crash()], ids=["full disk", "crash"])
@pytest.mark.parametrize("before", [True, False], ids=["keyring before", "file before"])
@pytest.mark.parametrize("after", [True, False], ids=["keyring after", "file after"])
async def test_replacing_a_key_may_break_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool, after: bool, error: BaseException
) -> None:
    """Then there is the old key or the new one, and after another try the new one."""
    left = -1  # steps until it breaks

    def tick() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise error

    def write(path: Path, data: bytes) -> None:
        tick()
        write_private(path, data)
        if isinstance(error, Crash):
            tick()

    monkeypatch.setattr("core.identity.keystore.write_private", write)
    for steps in range(1, 12):
        directory = tmp_path / str(steps)
        keyring = Fragile(before, tick)
        old, _ = await store(directory, keyring).open()
        keyring.usable = after
        new = Identity.generate()
        left = steps
        broke = False
        try:
            await store(directory, keyring).replace(new)
        except (Crash, LocalError):
            broke = True
        left = -1
        found, _ = await store(directory, keyring).open()
        assert found.peer_id in ((old.peer_id, new.peer_id) if broke else (new.peer_id,)), steps
        assert (await store(directory, keyring).open())[0].peer_id == found.peer_id
        await store(directory, keyring).replace(new)
        assert (await store(directory, keyring).open())[0].peer_id == new.peer_id
    assert not broke, "all steps were tried"


async def test_a_lock_that_is_held_is_said(tmp_path: Path) -> None:
    with locked(tmp_path / "default.identity.lock"):
        opening = store(tmp_path, Box(), wait=0.01)
        opening._lock_time = 0.05
        with pytest.raises(LocalError, match="another program holds"):
            await opening.open()
    await store(tmp_path, Box()).open()


@pytest.mark.parametrize("mode", [0o666, 0o644, 0o640])
async def test_a_key_that_others_could_read_is_closed_to_them_and_that_is_said(tmp_path: Path, mode: int) -> None:
    first, _ = await store(tmp_path, Broken()).open()
    key = tmp_path / "default.key"
    key.chmod(mode)
    again, keeping = await store(tmp_path, Broken()).open()
    assert again.peer_id == first.peer_id
    assert str(key) in keeping.notice
    assert "Other users of this computer could read" in keeping.notice
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert (await store(tmp_path, Broken()).open())[1].notice == "", "it is said once"


async def test_a_key_that_cannot_be_closed_to_others_is_not_called_ours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(tmp_path, Broken()).open()
    (tmp_path / "default.key").chmod(0o644)

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("core.files.private.os.chmod", refuse)
    _, keeping = await store(tmp_path, Broken()).open()
    assert "which only you can read" not in keeping.sentence
    assert "cannot be changed" in keeping.notice


async def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await store(tmp_path, Broken()).open()
    own = os.geteuid()
    monkeypatch.setattr("core.files.private.os.geteuid", lambda: own + 1)
    monkeypatch.setattr("core.files.private._ADMINISTRATOR", -1)
    with pytest.raises(LocalError, match="belongs to another user") as refused:
        await store(tmp_path, Broken()).open()
    assert refused.value.name == "ERR_IDENTITY"  # the note beside it is not ours either


async def test_a_link_to_a_key_is_followed_and_what_it_leads_to_is_closed(tmp_path: Path) -> None:
    first, _ = await store(tmp_path, Broken()).open()
    key, elsewhere = tmp_path / "default.key", tmp_path / "elsewhere"
    key.rename(elsewhere)
    key.symlink_to(elsewhere)
    elsewhere.chmod(0o644)
    again, keeping = await store(tmp_path, Broken()).open()
    assert again.peer_id == first.peer_id
    assert keeping.notice
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600
    renewed = Identity.generate()
    await store(tmp_path, Broken()).replace(renewed)
    assert key.is_symlink()
    assert (await store(tmp_path, Broken()).open())[0].peer_id == renewed.peer_id
