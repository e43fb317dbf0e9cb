"""The system's OpenSSL comes when `ssl` is imported; then asyncio and the hashes are as if it had been there before."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.process import grapevine, until
from tests.support.tools import ROOT

LATE = "from core.cli.openssl import wait_for_need\nwait_for_need()\n"
SYSTEMS = {"ssl", "_ssl", "_hashlib"}

NAMESPACES = """
import asyncio, hashlib, hmac, json, sys
before = set(sys.modules)
import ssl
def told(value):
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    return repr(value).partition(" at 0x")[0]
modules = [name for name in sys.modules if name.startswith("asyncio") or name in ("hashlib", "hmac", "ssl")]
print(json.dumps([
    sorted(before & {"ssl", "_ssl", "_hashlib"}),
    {name: {key: told(value) for key, value in vars(sys.modules[name]).items()} for name in modules},
]))
"""

HASHED = """
import hashlib, hmac, json, sys
def all_hashes():
    names = sorted(hashlib.algorithms_guaranteed - {"shake_128", "shake_256"})
    made = [getattr(hashlib, name)(b"grape", usedforsecurity=False).hexdigest() for name in names]
    made += [hashlib.new(name, b"grape").hexdigest() for name in names]
    made += [hmac.new(b"key", b"grape", name).hexdigest() for name in names if not name.startswith("blake2")]
    return [*made, hmac.digest(b"key", b"grape", "sha256").hex(), hmac.compare_digest(b"a", b"b")]
before = all_hashes()
assert "_hashlib" not in sys.modules
import ssl
assert "_hashlib" in sys.modules
print(json.dumps([before, all_hashes(), len(hashlib.scrypt(b"", salt=b"", n=2, r=1, p=1))]))
"""

PAGE = """
import asyncio, sys
certificate, key, authority = sys.argv[1:]

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nConnection: close\\r\\n\\r\\ngrape")
    await writer.drain()
    writer.close()

async def main():
    plain = await asyncio.start_server(answer, "127.0.0.1", 0)  # asyncio asks whether its socket is one of `ssl`
    reader, writer = await asyncio.open_connection(*plain.sockets[0].getsockname())
    writer.write(b"GET / HTTP/1.1\\r\\n\\r\\n")
    assert (await reader.read()).endswith(b"grape")
    writer.close()
    assert not {"ssl", "_ssl", "_hashlib"} & set(sys.modules)

    import aiohttp
    import ssl

    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not as strict as the one for everybody is since Python 3.13
    theirs.load_verify_locations(authority)
    theirs.check_hostname = False
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=ours)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with aiohttp.ClientSession() as session:
        async with session.get(url, ssl=theirs) as response:
            print(await response.text())
        try:
            await session.get(url)
        except aiohttp.ClientConnectorCertificateError:
            print("refused: nobody known has signed it")
        wrapped = theirs.wrap_socket(__import__("socket").socket(), do_handshake_on_connect=False)
        try:
            await asyncio.get_running_loop().sock_recv(wrapped, 1)
        except TypeError as error:
            print(error)
        wrapped.close()
    plain.close()
    server.close()
    await asyncio.sleep(0)

asyncio.run(main())
"""


def said(code: str, *arguments: str) -> str:
    """Return what a Python of its own prints."""
    command = [sys.executable, "-W", "error", "-c", dedent(code), *arguments]
    env = {**os.environ, "GRAPEVINE_ENGINES": "python"}
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_modules_are_as_if_it_had_been_there_before() -> None:
    usual: dict[str, dict[str, Any]]
    loaded, usual = json.loads(said(NAMESPACES))
    assert set(loaded) == SYSTEMS
    late: dict[str, dict[str, Any]]
    loaded, late = json.loads(said(LATE + NAMESPACES))
    assert loaded == []
    assert usual.keys() == late.keys() >= {"asyncio.base_events", "asyncio.selector_events", "asyncio.sslproto"}
    for name, has in usual.items():
        assert {key: late[name].get(key) for key in has} == has, name


def test_hashes_are_the_same_before_and_after() -> None:
    before, after, scrypt = json.loads(said(LATE + HASHED))
    assert before == after
    assert hashlib.sha256(b"grape").hexdigest() in before
    assert scrypt == 64


def test_a_page_over_tls_after_plain_connections(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    signed = authority.certificate("localhost")
    printed = said(LATE + PAGE, str(signed.certificate), str(signed.key), str(authority.file)).splitlines()
    assert printed == ["grape", "refused: nobody known has signed it", "Socket cannot be of type SSLSocket"]


def test_python_without_hashes_of_its_own_takes_those_of_the_system() -> None:
    code = """
    import sys
    sys.modules["_sha3"] = None
    import hashlib, hmac
    print("_hashlib" in sys.modules, hashlib.sha3_256(b"").name, hmac._hashopenssl is not None)
    """
    assert said(LATE + dedent(code)) == "True sha3_256 True\n"


def test_it_changes_nothing_where_ssl_is_there() -> None:
    code = """
    import ssl, sys
    before = list(sys.meta_path)
    from core.cli.openssl import wait_for_need
    wait_for_need()
    import asyncio, hashlib
    print(sys.meta_path == before, asyncio.sslproto.ssl is ssl, "_hashlib" in sys.modules)
    """
    assert said(code) == "True True True\n"


def test_a_function_that_is_shared_has_it_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "garden.py").write_text(
        "import asyncio\nfrom hashlib import scrypt\nTLS = asyncio.sslproto.ssl is not None\n"
        "def handle(payload):\n    return TLS\n"
    )
    code = """
    import asyncio, sys
    from core.kinds.python import load
    assert "ssl" not in sys.modules
    print(load(sys.argv[1], "garden")({}))
    """
    assert said(LATE + dedent(code), f"{tmp_path / 'garden.py'}:handle") == "True\n"


def files_of(pid: int) -> set[str]:
    """Return the names of the files that a process has in its memory."""
    return {Path(line.split()[-1]).name for line in Path(f"/proc/{pid}/maps").read_text().splitlines()}


@pytest.mark.asyncio
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a process has loaded")
async def test_a_sharing_peer_at_rest_has_not_loaded_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPEVINE_TEST_REAL", "1")  # a forked one has what the tests have loaded
    env = {"GRAPEVINE_LOOP": "asyncio"}  # uvloop imports `ssl`
    async with grapevine("share", "fibonacci", "--bootstrap", "", home=tmp_path, env=env) as program:
        await program.event("announced")

        async def has_its_key() -> bool:
            return "_rust.abi3.so" in files_of(program.pid)

        await until(has_its_key, "the peer has loaded what encrypts, the last of its start")
        files = files_of(program.pid)
    rare = ("_ssl.", "_hashlib.", "libssl.", "libcrypto.", "_sqlite3.", "_http_parser.")
    assert [file for file in files if file.startswith(rare)] == []


@pytest.mark.asyncio
@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a process has loaded")
async def test_a_peer_that_needs_it_has_it_before_others_can_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPEVINE_TEST_REAL", "1")
    options = ("--grape", "http://127.0.0.1:9")  # discard (RFC 863): nobody is there
    async with grapevine("share", "fibonacci", *options, home=tmp_path, env={"GRAPEVINE_LOOP": "asyncio"}) as program:
        await program.event("listening")
        files = files_of(program.pid)
    assert [file for file in files if file.startswith("_ssl.")] != []
