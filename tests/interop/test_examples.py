"""The public packages' own examples, as they are, around our grape and around Node's: each beside theirs and ours."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from core.directory.link import Link
from core.errors import PeerError
from tests.support.process import Event, Program, grapevine, running, until
from tests.support.tools import INTEROP

pytestmark = [pytest.mark.interop, pytest.mark.asyncio, pytest.mark.slow]

GRAPE = "http://127.0.0.1:30001"  # as all examples have it; the port is free where tests are sealed
HTTP, WS, LINK = "grenache-nodejs-http", "grenache-nodejs-ws", "grenache-nodejs-link"
CERTS = INTEROP / "node_modules" / HTTP / "test" / "certs"
OURS = '''
async def rpc_stream(body, details):
    """Say it back, behind the action."""
    yield str(details["action"]).encode()
    async for piece in body:
        yield piece


async def rpc_test(payload, caller):
    """Say what the example says."""
    return "world"


async def pub_test():
    """Say it again and again."""
    import asyncio
    while True:
        yield "world"
        await asyncio.sleep(0.1)
'''
GRAPES = pytest.mark.parametrize("grape", ["our", "node"])
Start = Callable[[Path], AbstractAsyncContextManager[Program]]


def example(package: str, name: str) -> Start:
    """Return what runs an example of theirs."""
    script = INTEROP / "node_modules" / package / "examples" / f"{name}.js"
    return lambda _: running(f"{package}/{name}.js", ["node", str(script)])


def share(name: str, *transport: str) -> Start:
    """Return what shares one of OURS under its name, as their example does."""

    @asynccontextmanager
    async def begin(folder: Path) -> AsyncIterator[Program]:
        (folder / "ours.py").write_text(OURS)
        what = (f"{folder}/ours.py:{name}", "--name", name, "--audience", "anyone", "--grape", GRAPE, "--no-lan")
        async with grapevine("share", *what, "--transport", *transport, home=folder / name) as program:
            await program.event("announced")
            yield program

    return begin


def ask(*arguments: str) -> Start:
    """Return what runs a command of ours."""
    return lambda folder: grapevine(*arguments, "--grape", GRAPE, "--no-lan", home=folder / "asks")


def said(words: str) -> Callable[[Program, int], bool]:
    """Return what tells whether a program has printed a line that begins with `words` so many times."""

    def look(event: Event) -> bool:
        return str(event.get("line", "")).startswith(words)

    return lambda program, times: sum(map(look, program.events)) >= times


def replied(data: object) -> Callable[[Program, int], bool]:
    """Return the same of a command of ours, and its `data`."""
    return lambda program, times: sum(data in (e.get("data"), e.get("value")) for e in program.events) >= times


TLS = (
    "--tls", "--tls-cert", str(CERTS / "client1-crt.pem"), "--tls-key", str(CERTS / "client1-key.pem"),
    "--tls-ca", str(CERTS / "ca-crt.pem"),
)  # fmt: skip
SERVER_TLS = ("--tls-cert", str(CERTS / "server-crt.pem"), "--tls-key", str(CERTS / "server-key.pem"))
# service, its servers, its clients, what a client of theirs says and how often
RPC = ("rpc_test", {"theirs": example(HTTP, "rpc_server"), "ours": share("rpc_test", "http")})
RPC_WS = ("rpc_test", {"theirs": example(WS, "rpc_server"), "ours": share("rpc_test", "ws")})
RPC_TLS = ("rpc_test", {"theirs": example(HTTP, "ssl/rpc_server"), "ours": share("rpc_test", "http", *SERVER_TLS)})
STREAM = ("rpc_stream", {"theirs": example(HTTP, "rpc_server_stream"), "ours": share("rpc_stream", "http")})
PUB = ("pub_test", {"theirs": example(WS, "pub"), "ours": share("pub_test", "pub")})
HELLO = '"hello"'
# 100,000 requests at once, each with 10 s: on asyncio's loop, as tests run, a busy machine takes longer
LONG = {("ws rpc_client", "ours")}
SCENES = {
    "http rpc_client": (RPC, example(HTTP, "rpc_client"), said("null world"), 1000),
    "http rpc_client_map": (RPC, example(HTTP, "rpc_client_map"), said("null [ 'world' ]"), 10),
    "http request of ours": (RPC, ask("request", "rpc_test", HELLO, "--transport", "http"), replied("world"), 1),
    "http request of ours, packed": (
        RPC, ask("request", "rpc_test", HELLO, "--transport", "http", "--compress"), replied("world"), 1,
    ),
    "http everybody, of ours": (
        RPC, ask("request", "rpc_test", HELLO, "--transport", "http", "--everybody"), replied("world"), 1,
    ),
    "http found out by ours": (RPC, ask("request", "rpc_test", HELLO), replied("world"), 1),
    "ws rpc_client": (RPC_WS, example(WS, "rpc_client"), lambda program, _: _number(program), 1),
    "ws rpc_client_map": (RPC_WS, example(WS, "rpc_client_map"), said("null [ 'world' ]"), 10),
    "ws request of ours": (RPC_WS, ask("request", "rpc_test", HELLO, "--transport", "ws"), replied("world"), 1),
    "ws found out by ours": (RPC_WS, ask("request", "rpc_test", HELLO), replied("world"), 1),
    "ssl rpc_client_map": (RPC_TLS, example(HTTP, "ssl/rpc_client_map"), said("null [ 'world' ]"), 10),
    "ssl request of ours": (
        RPC_TLS, ask("request", "rpc_test", HELLO, "--transport", "http", *TLS), replied("world"), 1,
    ),
    "http rpc_client_stream": (STREAM, example(HTTP, "rpc_client_stream"), said("response"), 1),
    "ws sub": (PUB, example(WS, "sub"), said("world"), 5),
    "ws watch of ours": (PUB, ask("watch", "pub_test"), replied("world"), 5),
}  # fmt: skip


def _number(program: Program) -> bool:
    """Tell whether it has printed how many milliseconds 100,000 requests took, which is all that it prints."""
    return any(str(event.get("line", "")).isdigit() or isinstance(event.get("line"), int) for event in program.events)


@asynccontextmanager
async def grape_of(kind: str, folder: Path) -> AsyncIterator[None]:
    """Run their example of two grapes, or one grape of ours."""
    if kind == "node":
        async with example("grenache-grape", "grape")(folder) as program:
            await _until(program, said("grape: started"), 2)
            yield
    else:
        grape = ("grape", "--dp", "20001", "--aph", "30001", "--bn", "", "-b", "127.0.0.1")
        async with grapevine(*grape, home=folder / "grape") as program:
            await program.event("listening")
            yield


async def _until(program: Program, seen: Callable[[Program, int], bool], times: int) -> None:
    async def look() -> bool:
        return seen(program, times) or program.ended

    await until(look, f"{program.name} has said what it should", timeout=120.0)
    assert seen(program, times), program.transcript()


async def _listed(name: str) -> None:
    async with Link([GRAPE]) as link:

        async def look() -> bool:
            try:
                return bool(await link.lookup(name, fresh=True))
            except PeerError:
                return False

        await until(look, f"{name} is listed")


@GRAPES
@pytest.mark.parametrize(
    ("scene", "server"),
    [(scene, server) for scene in SCENES for server in ("ours", "theirs") if (scene, server) not in LONG],
)
async def test_an_example_is_answered(tmp_path: Path, scene: str, server: str, grape: str) -> None:
    (name, servers), client, seen, times = SCENES[scene]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(grape_of(grape, tmp_path))
        await stack.enter_async_context(servers[server](tmp_path))
        await _listed(name)
        await _until(await stack.enter_async_context(client(tmp_path)), seen, times)


@GRAPES
@pytest.mark.parametrize("package", [HTTP, LINK])
async def test_what_is_put_is_got(tmp_path: Path, package: str, grape: str) -> None:
    async with grape_of(grape, tmp_path), example(package, "put_get")(tmp_path) as program:
        await _until(program, said("data requested to the DHT null"), 2)
        assert not said("data saved to the DHT Error")(program, 1), program.transcript()


async def test_our_stream_is_read_and_theirs_is_by_us(tmp_path: Path) -> None:
    """Their example of a client does not end what it sends; ours reads all of the answer."""
    async with grape_of("our", tmp_path), STREAM[1]["theirs"](tmp_path):
        await _listed("rpc_stream")
        command = [
            sys.executable, "-m", "core.cli", "request", "rpc_stream", HELLO, "--stream", "--transport", "http",
            "--grape", GRAPE, "--no-lan",
        ]  # fmt: skip
        home = {f"XDG_{kind}_HOME": str(tmp_path) for kind in ("CONFIG", "DATA", "STATE")}
        async with running("a stream of ours", command, env=home) as program:
            assert await program.wait() == 0, program.transcript()
        assert "world" in program.transcript(), program.transcript()
