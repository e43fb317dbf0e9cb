"""Keys in a real keyring: gnome-keyring's daemon, which most Linux desktops have, by the package `keyring`."""

import asyncio
import base64
import contextlib
import json
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from keyring.backends.SecretService import Keyring

from core.errors import LocalError
from core.identity.identity import Identity
from core.identity.keystore import KeyStore
from core.identity.note import Kept, Note
from core.peer_id import PeerId
from tests.cli.conftest import Finished
from tests.identity.secret_service import SecretService, private_environment, secret_service
from tests.support.ports import free_port
from tests.support.process import Program, running, to_its_end, until
from tests.support.tools import ROOT

pytestmark = [pytest.mark.asyncio, pytest.mark.keyring]

CLI = [sys.executable, "-m", "core.cli"]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    """A Secret Service, which this process uses too."""
    with secret_service(tmp_path) as made:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", made.env["DBUS_SESSION_BUS_ADDRESS"])
        monkeypatch.delenv("PYTHON_KEYRING_BACKEND")  # it is found by itself
        yield made


def store(service: SecretService, profile: str = "default", *, wait: float = 10.0) -> KeyStore:
    return KeyStore(service.settings, profile, find_keyring=Keyring, keyring_time=wait)


async def grapevine(service: SecretService, *arguments: str, **more: str) -> Finished:
    """Run a command to its end, as on a desktop: it finds its keyring by itself."""
    done = await to_its_end([*CLI, *arguments], env={**service.env, **more})
    return Finished(done.code, done.out.decode(), done.err)


def traces(secret: bytes, home: Path) -> list[Path]:
    """Return the files under `home` from which somebody could take the key."""
    pem = b"".join(Identity.from_secret(secret).to_pem(None).splitlines()[1:-1])
    shapes = (secret, base64.b64encode(secret)[:40], base64.urlsafe_b64encode(secret)[:40], secret.hex().encode(), pem)
    return [path for path in home.rglob("*") if path.is_file() and any(shape in path.read_bytes() for shape in shapes)]


async def test_a_key_is_in_the_keyring_and_nowhere_else(service: SecretService) -> None:
    first, keeping = await store(service).open()
    assert (keeping.kept, keeping.protected) == (Kept.KEYRING, True)
    assert service.items() == {"default": base64.b64encode(first.secret).decode()}
    assert traces(first.secret, service.home) == []
    assert {path.name for path in service.settings.iterdir()} == {"default.identity.json", "default.identity.lock"}
    again, _ = await store(service).open()
    assert again.peer_id == first.peer_id


async def test_the_search_for_traces_would_find_one(tmp_path: Path) -> None:
    identity = Identity.generate()
    (tmp_path / "pem").write_bytes(identity.to_pem(None).replace(b"\n", b""))
    (tmp_path / "base64").write_bytes(b"x" + base64.b64encode(identity.secret))
    assert len(traces(identity.secret, tmp_path)) == 2


async def test_two_profiles_have_two_items(service: SecretService) -> None:
    first, _ = await store(service).open()
    second, _ = await store(service, "work").open()
    assert {name: base64.b64decode(text) for name, text in service.items().items()} == {
        "default": first.secret,
        "work": second.secret,
    }


async def test_export_renewal_and_import(service: SecretService) -> None:
    first, _ = await store(service).open()
    file = service.home / "me.pem"
    file.write_bytes(first.export("correct horse battery"))
    second = Identity.generate()
    assert (await store(service).replace(second)).kept is Kept.KEYRING
    assert (await store(service).open())[0].peer_id == second.peer_id
    back = Identity.from_pem(file.read_bytes(), "correct horse battery")
    await store(service).replace(back)
    assert (await store(service).open())[0].peer_id == first.peer_id
    assert service.items() == {"default": base64.b64encode(first.secret).decode()}, "one item, and no old key"
    assert traces(first.secret, service.home) == traces(second.secret, service.home) == []


async def test_a_deleted_item_is_said_and_makes_nobody_another_peer(service: SecretService) -> None:
    first, _ = await store(service).open()
    service.delete("default")
    with pytest.raises(LocalError, match="not in the keyring any more") as gone:
        await store(service).open()
    assert first.peer_id.short in str(gone.value)
    assert service.items() == {}
    await store(service).replace(first)  # from an export
    assert (await store(service).open())[0].peer_id == first.peer_id


async def test_a_locked_keyring_is_said_and_makes_nobody_another_peer(service: SecretService) -> None:
    await store(service).open()
    service.lock()
    with pytest.raises(LocalError, match="cannot be used: unlock it and try again") as locked:
        await store(service).open()
    assert locked.value.name == "ERR_IDENTITY_LOCKED"
    assert not (service.settings / "default.key").exists()


WAITING = """
import asyncio, sys
from pathlib import Path
from core.errors import LocalError
from core.identity.keystore import KeyStore

async def main():
    turns = 0
    opening = asyncio.ensure_future(KeyStore(Path(sys.argv[1]), "default", keyring_time=0.5).open())
    while not opening.done():
        turns += 1
        await asyncio.sleep(0.01)
    try:
        await opening
    except LocalError as error:
        print(turns, error.name, error)

asyncio.run(main())
"""


async def test_a_keyring_that_waits_for_its_user_holds_up_neither_the_loop_nor_the_exit(service: SecretService) -> None:
    first, _ = await store(service).open()
    service.lock()
    with service.somebody_is_asked():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WAITING, str(service.settings), cwd=ROOT, env=service.env,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(15):
            out, _ = await process.communicate()
    turns, name, *words = out.decode().split()
    assert (process.returncode, name) == (0, "ERR_IDENTITY_LOCKED")
    assert int(turns) > 10
    assert "did not answer: unlock it" in " ".join(words)
    assert first.peer_id.short in words


# -- the program --------------------------------------------------------------------------------------------------


async def test_the_command_line_keeps_its_key_in_the_keyring(service: SecretService) -> None:
    first, second = await grapevine(service, "id"), await grapevine(service, "id", "--json")
    own = PeerId.parse(first.out)
    assert first.err == "", "a key that is protected needs no words"
    assert json.loads(second.out)["peer_id"] == str(own)
    assert json.loads(second.out)["kept"] == "keyring"
    secret = base64.b64decode(service.items()["default"])
    assert Identity.from_secret(secret).peer_id == own
    assert traces(secret, service.home) == []


async def test_without_a_collection_the_key_is_in_a_file(tmp_path: Path) -> None:
    """A keyring that nobody ever gave a password, as on a machine that is reached by ssh only."""
    with secret_service(tmp_path, unlocked=False) as made:
        first, second = await grapevine(made, "id", "--json"), await grapevine(made, "id", "--json")
        assert json.loads(first.out)["kept"] == "file"
        assert first.out == second.out
        assert stat.S_IMODE((made.settings / "default.key").stat().st_mode) == 0o600


async def test_programs_that_start_at_once_are_one_peer(service: SecretService) -> None:
    ended = await asyncio.gather(*(grapevine(service, "id") for _ in range(4)))
    assert len({each.out for each in ended}) == 1, ended
    assert Identity.from_secret(base64.b64decode(service.items()["default"])).peer_id == PeerId.parse(ended[0].out)


async def test_a_locked_keyring_is_one_sentence_on_the_command_line(service: SecretService) -> None:
    await grapevine(service, "id")
    service.lock()
    refused = await grapevine(service, "id")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("ERR_IDENTITY_LOCKED: the keyring with your key cannot be used: unlock it")
    assert len(refused.err.splitlines()) == 1
    assert not (service.settings / "default.key").exists()


@contextlib.asynccontextmanager
async def sharing(home: Path, env: dict[str, str]) -> AsyncIterator[Program]:
    """Run a peer whose ports are nobody else's, until it serves its identity's ID; `home` has its settings."""
    settings = home / "config" / "grapevine"
    settings.mkdir(parents=True, exist_ok=True)
    ports = {"schema": 1, "dht_port": free_port(), "api_port": free_port()}
    (settings / "default.json").write_text(json.dumps(ports))
    command = [*CLI, "share", "fibonacci", "--bootstrap", "", "--json"]
    async with running("share", command, env=env) as program:
        await program.event("listening")
        yield program


async def kept(home: Path) -> Note:
    """Return the note, once there is one."""
    path = home / "config" / "grapevine" / "default.identity.json"

    async def there() -> bool:
        return path.exists()

    await until(there, "there is an identity")
    return Note.load(path.read_bytes())


async def test_a_peer_that_shares_keeps_its_key_in_the_keyring(service: SecretService) -> None:
    async with sharing(service.home, service.env) as peer:
        note = await kept(service.home)
        assert note.now.kept is Kept.KEYRING
        secret = base64.b64decode(service.items()["default"])
        assert Identity.from_secret(secret).peer_id == note.now.peer_id
        assert traces(secret, service.home) == []
        assert peer.stderr == ""


async def test_a_peer_whose_keyring_is_locked_shares_all_the_same_and_says_so(service: SecretService) -> None:
    await grapevine(service, "id")
    service.lock()
    async with sharing(service.home, service.env) as peer:
        error = await peer.event("error")
        assert error["error"] == "ERR_IDENTITY_LOCKED"
        assert "unlock it and try again" in error["message"]
        assert peer.count("listening") == 1
    assert not (service.settings / "default.key").exists()


async def test_without_a_session_bus_the_key_is_in_a_file_and_that_is_said_once(tmp_path: Path) -> None:
    env = private_environment(tmp_path, tmp_path, "disabled:")
    async with sharing(tmp_path, env) as peer:
        note = await kept(tmp_path)

        async def said() -> bool:
            return bool(peer.stderr)

        await until(said, "where the key is was said")
    key = tmp_path / "config" / "grapevine" / "default.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert peer.stderr == f"No keyring is usable here: your key is in {key}, which only you can read.\n"
    async with sharing(tmp_path, env) as again:
        await again.event("grape", lambda event: event["state"] != "starting")
        assert (await kept(tmp_path)).now == note.now
    assert again.stderr == ""


async def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: whatever is written does not fit."""
    script = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    script += "resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50)); from core.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, "id", cwd=ROOT, env=private_environment(tmp_path, tmp_path, "disabled:"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert err.decode().startswith("ERR_IDENTITY: the identity could not be kept in ")
    assert len(err.splitlines()) == 1
    assert {path.suffix for path in (tmp_path / "config" / "grapevine").iterdir()} == {".lock"}
