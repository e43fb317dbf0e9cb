# ruff: noqa: ASYNC240 - the files of a test are small, and nothing else waits for the loop
"""An identity that comes late: a keyring that is answered, or unlocked, after a while, by itself and on demand."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import core.own.identity
from core.errors import PeerError
from core.identity.keystore import KeyStore
from core.identity.note import Kept, Note
from core.own.identity import OwnIdentity
from core.profile.config import KeyPlace
from tests.identity.test_keystore import Box, Broken

pytestmark = pytest.mark.asyncio


class Slow(Box):
    """Asks its user, who answers after a while."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = threading.Event()
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        assert self.answered.wait(60)
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        assert self.answered.is_set(), "nothing is kept before the user has answered"
        super().set_password(service, username, password)


class KeyringLocked(Exception):
    """As keyring's own, when its user has dismissed the question."""


class Shut(Box):
    """Says at once that it is locked."""

    shut = True

    def get_password(self, service: str, username: str) -> str | None:
        if self.shut:
            raise KeyringLocked
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.shut:
            raise KeyringLocked
        super().set_password(service, username, password)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again after a moment."""
    monkeypatch.setattr(core.own.identity, "RETRY_FIRST", 0.02)
    monkeypatch.setattr(core.own.identity, "RETRY_MOST", 0.05)


class Peer:
    """Our identity, and what was told of it."""

    def __init__(
        self, directory: Path, keyring: Box, monkeypatch: pytest.MonkeyPatch, *, patience: float = 0.05
    ) -> None:
        self.failures: list[PeerError] = []
        self.opened: list[bool] = []
        self.revision = 0
        self.own = OwnIdentity(
            KeyPlace(directory, "default", patience=patience), self.failures.append,
            lambda: self.opened.append(True), self._changed,
        )  # fmt: skip

        def store(own: OwnIdentity, place: KeyPlace) -> KeyStore:
            return KeyStore(
                place.directory, place.profile, find_keyring=lambda: keyring, keyring_time=0.05,
                first_time=place.patience, on_wait=own._wait, on_answer=own._again.set,
            )  # fmt: skip

        monkeypatch.setattr(OwnIdentity, "_store", store)
        self.own.start()

    def _changed(self) -> None:
        self.revision += 1

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - the thread of a keyring has no event for a test
                await asyncio.sleep(0.01)


async def test_a_first_start_waits_for_the_keyrings_question_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Slow()
    it = Peer(tmp_path, box, monkeypatch, patience=60)
    await it.until(lambda: "Waiting for" in it.own.snapshot().message)
    before = it.revision
    assert not list(tmp_path.glob("*.key"))
    box.answered.set()
    identity = await it.own.opened()
    assert it.revision > before
    assert (it.opened, it.failures) == ([True], [])
    assert it.own.snapshot().protected
    assert not list(tmp_path.glob("*.key"))
    assert len(box.items) == 1
    assert box.asked == 2, "the question, and the look whether it was kept"
    assert it.own.peer_id == identity.peer_id
    await it.own.aclose()


async def test_a_keyring_that_answers_after_the_patience_gets_the_key_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Slow()
    it = Peer(tmp_path, box, monkeypatch)
    identity = await it.own.opened()
    assert "did not answer" in it.own.snapshot().message
    assert (tmp_path / "default.key").exists()
    box.answered.set()
    await it.until(lambda: it.own.snapshot().protected)
    assert not (tmp_path / "default.key").exists()
    note = Note.load((tmp_path / "default.identity.json").read_bytes())
    assert (note.now.peer_id, note.now.kept, note.provisional) == (identity.peer_id, Kept.KEYRING, False)
    await it.own.aclose()
    again = Peer(tmp_path, box, monkeypatch)
    assert (await again.own.opened()).peer_id == identity.peer_id
    await again.own.aclose()


async def test_a_key_that_waits_in_its_file_moves_at_a_later_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Slow()
    first = Peer(tmp_path, box, monkeypatch)
    identity = await first.own.opened()
    await first.own.aclose()
    box.answered.set()
    await asyncio.sleep(0.05)
    assert (tmp_path / "default.key").exists()
    later = Peer(tmp_path, box, monkeypatch)
    await later.until(lambda: later.own.snapshot().protected)
    assert later.own.peer_id == identity.peer_id
    assert not (tmp_path / "default.key").exists()
    await later.own.aclose()


async def test_where_there_is_no_keyring_the_file_is_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it = Peer(tmp_path, Broken(), monkeypatch)
    await it.own.opened()
    assert not Note.load((tmp_path / "default.identity.json").read_bytes()).provisional
    assert "No keyring is usable here" in it.own.snapshot().message
    await it.own.aclose()


async def test_what_encrypts_is_loaded_once_when_somebody_is_near_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[bool] = []
    monkeypatch.setattr("core.own.identity._load_contexts", lambda: loaded.append(True))
    it = Peer(tmp_path, Broken(), monkeypatch)
    await it.own.opened()
    assert loaded == [], "it takes some MB"
    for _ in range(3):
        it.own.warm()
    await it.until(lambda: bool(loaded))
    assert await it.own.contexts() is not None
    assert loaded == [True]
    await it.own.aclose()


async def test_a_locked_keyring_is_asked_again_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Shut()
    box.shut = False
    made = Peer(tmp_path, box, monkeypatch)
    identity = await made.own.opened()
    await made.own.aclose()
    box.shut = True
    it = Peer(tmp_path, box, monkeypatch)
    assert await it.own.contexts() is None, "nobody waits for it"
    await asyncio.sleep(0.1)
    assert len(it.failures) == 1, "said once"
    assert it.own.snapshot().can_retry
    box.shut = False
    assert (await it.own.opened()).peer_id == identity.peer_id
    assert await it.own.contexts() is not None
    assert (it.opened, it.own.snapshot().can_retry) == ([True], False)
    await it.own.aclose()


async def test_a_locked_keyring_is_asked_again_on_demand_and_when_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.own.identity, "RETRY_FIRST", 1000.0)
    monkeypatch.setattr(core.own.identity, "RETRY_MOST", 1000.0)
    box = Shut()
    box.shut = False
    made = Peer(tmp_path, box, monkeypatch)
    identity = await made.own.opened()
    await made.own.aclose()
    box.shut = True
    it = Peer(tmp_path, box, monkeypatch)
    await it.until(lambda: bool(it.failures))
    box.shut = False
    it.own.retry()
    assert (await it.own.opened()).peer_id == identity.peer_id
    await it.own.aclose()
    slow = Slow()
    slow.items = box.items
    late = Peer(tmp_path, slow, monkeypatch)
    await late.until(lambda: bool(late.failures))
    slow.answered.set()
    assert (await late.own.opened()).peer_id == identity.peer_id
    await late.own.aclose()


async def test_openssl_is_loaded_for_the_first_session_only(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from core.peer import PeerConfig, open_peer\n"
        "from core.profile.config import KeyPlace\n"
        "async def main():\n"
        f"    place = KeyPlace(Path({str(tmp_path)!r}), 'default')\n"
        "    config = PeerConfig(dht_port=0, api_port=0, bootstrap=(), bind='127.0.0.1', identity=place)\n"
        "    async with open_peer(config) as peer:\n"
        "        assert await peer.peer_id() is not None\n"
        "        assert 'OpenSSL' not in sys.modules, 'OpenSSL'\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"},
    )  # fmt: skip
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
