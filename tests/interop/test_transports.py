"""The public packages of the HTTP and WebSocket transports against ours, both ways."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.directory.link import Link
from core.errors import RefusedError
from core.grenache.asker import Answer, Ask, WebAsker
from core.grenache.client_tls import ClientTls
from core.peer_id import PeerId
from core.wire.grenache_message import Meta
from tests.interop.grapes import our_grape
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.process import Program, grapevine, node, until

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

KINDS = pytest.mark.parametrize("kind", ["http", "ws"])
UPPER = '''
async def upper(body, details):
    """Say it louder."""
    yield str(details["action"]).encode()
    async for piece in body:
        yield piece.upper()


def echo(payload, caller):
    """Say it again."""
    return {"payload": payload, "known": caller.peer_id is not None}


async def clock():
    """Tick."""
    import asyncio
    for number in range(100_000):
        yield {"n": number}
        await asyncio.sleep(0.02)
'''


@asynccontextmanager
async def sharing(tmp_path: Path, url: str, *arguments: str) -> AsyncIterator[Program]:
    """Our command line, which shares something over every transport, for anybody unless told otherwise."""
    (tmp_path / "mine.py").write_text(UPPER)
    common = ["--grape", url, "--no-lan", "--transport", "utp,http,ws"]
    async with grapevine("share", *arguments, *common, home=tmp_path) as program:
        await program.event("web-open")
        await program.event("announced", lambda event: not event["service"].endswith("_worker"))
        yield program


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[WebAsker]:
    async with Link([url]) as link:
        asker = WebAsker(link)
        try:
            yield asker
        finally:
            await asker.aclose()


@KINDS
async def test_a_node_client_calls_our_services(tmp_path: Path, kind: str) -> None:
    async with (
        our_grape() as grape,
        sharing(tmp_path, grape.url, f"{tmp_path}/mine.py:echo", "--audience", "anyone"),
        node("transports", {"grape": grape.url, "kind": kind}) as theirs,
    ):
        said = await theirs.command("request", name="mine", payload={"hello": "wörld"})
        assert said == {"payload": {"hello": "wörld"}, "known": False}
        long = "x" * 300_000
        assert (await theirs.command("request", name="mine", payload=long))["payload"] == long
        many = await theirs.command("many", name="mine", count=200)
        assert [each["payload"] for each in many] == list(range(200))
        assert [each["payload"] for each in await theirs.command("map", name="mine", payload=1)] == [1]
        if kind == "http":
            packed = await theirs.command("request", name="mine", payload=long, opts={"compress": True})
            assert packed["payload"] == long


@KINDS
async def test_our_client_calls_a_node_service(kind: str) -> None:
    async with (
        our_grape() as grape,
        node("transports", {"grape": grape.url, "kind": kind}) as theirs,
        asking(grape.url) as asker,
    ):
        await theirs.command("listen", name="node_test", port=free_port())
        for payload in ("wörld", {"a": [1.5, None]}, "x" * 300_000):
            answer = await asker.request("node_test", payload, 10.0, Ask(compress=kind == "http"))  # type: ignore[arg-type]
            assert (answer.data, answer.transport) == ({"key": "node_test", "payload": payload}, kind)
        with pytest.raises(RefusedError) as failure:
            await asker.request("node_test", {"fail": "ERR_MINE"}, 10.0)
        assert failure.value.name == "ERR_MINE"
        found = await asker.map("node_test", 1, 10.0)
        assert [each.data for each in found if isinstance(each, Answer)] == [{"key": "node_test", "payload": 1}]


@pytest.mark.slow
async def test_streams_go_both_ways_with_node_at_either_end(tmp_path: Path) -> None:
    await _streams(tmp_path, 3_000_000)


@pytest.mark.slow
async def test_streams_of_100_megabytes(tmp_path: Path) -> None:
    await _streams(tmp_path, 100_000_000)


async def _streams(tmp_path: Path, size: int) -> None:
    async with (
        our_grape() as grape,
        sharing(tmp_path, grape.url, f"{tmp_path}/mine.py:upper", "--audience", "anyone"),
        node("transports", {"grape": grape.url, "kind": "http"}) as theirs,
        asking(grape.url) as asker,
    ):
        headers = {"_a": "shout", "_ar": {"a": 1}}
        back = await theirs.command("stream", name="mine", bytes=size, headers=headers)
        assert back == {"received": size + 5, "first": "shout" + "A" * 59}
        await theirs.command("listenStream", name="node_stream", port=free_port())
        stream = await asker.stream("node_stream", Meta(), 10.0)
        received = 0
        for at in range(0, size, 250_000):
            await stream.write(b"x" * min(250_000, size - at))
            while received < at - 2_000_000:
                received += len(await stream.read())
        stream.end()
        while data := await stream.read():
            received += len(data)
        assert received == size


@pytest.mark.slow
@KINDS
async def test_certificates_tell_who_calls(tmp_path: Path, kind: str) -> None:
    """A certificate of any authority, or of none, is known by its fingerprint: the owner trusts that one."""
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    ours, known, unknown = authority.certificate("ours"), authority.certificate("known"), other.certificate("unknown")
    async with (
        our_grape() as grape,
        sharing(
            tmp_path, grape.url, f"{tmp_path}/mine.py:echo", "--for", known.fingerprint,
            "--tls-cert", str(ours.certificate), "--tls-key", str(ours.key),
        ),
    ):  # fmt: skip
        for who, answer in ((known, {"payload": 1, "known": True}), (unknown, "ERR_NOT_TRUSTED")):
            secure = {"key": str(who.key), "cert": str(who.certificate), "ca": str(authority.file)}
            async with node("transports", {"grape": grape.url, "kind": kind, "secure": secure}) as theirs:
                if isinstance(answer, str):
                    with pytest.raises(RuntimeError, match=answer):
                        await theirs.command("request", name="mine", payload=1)
                else:
                    assert await theirs.command("request", name="mine", payload=1) == answer


@pytest.mark.slow
async def test_only_certificates_of_an_authority_that_are_in_time(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    ours = authority.certificate("ours")
    async with (
        our_grape() as grape,
        sharing(
            tmp_path, grape.url, f"{tmp_path}/mine.py:echo", "--audience", "identified", "--tls-required",
            "--tls-cert", str(ours.certificate), "--tls-key", str(ours.key), "--tls-ca", str(authority.file),
        ),
        asking(grape.url) as asker,
    ):  # fmt: skip
        good = authority.certificate("good")
        expected = PeerId.parse(ours.fingerprint)
        tls = ClientTls(good.certificate, good.key, authority.file, expected)
        assert (await asker.request("mine", 1, 10.0, Ask("http", tls))).peer_id == expected
        for wrong in (other.certificate("stranger"), authority.certificate("old", days=-1), None):
            certificate, key = (None, None) if wrong is None else (wrong.certificate, wrong.key)
            with pytest.raises(Exception) as failure:  # noqa: PT011 - a handshake that fails now, or at the first read
                await asker.request("mine", 1, 10.0, Ask("http", ClientTls(certificate, key)))
            assert getattr(failure.value, "name", "") in {"ERR_REQUEST_GENERIC", "ERR_TRANSPORT_CLOSE"}


async def test_a_node_server_sees_our_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    ours, theirs_own = authority.certificate("ours"), authority.certificate("theirs")
    secure = {"key": str(theirs_own.key), "cert": str(theirs_own.certificate), "ca": str(authority.file)}
    for kind in ("http", "ws"):
        async with (
            our_grape() as grape,
            node("transports", {"grape": grape.url, "kind": kind, "secure": secure}) as theirs,
            asking(grape.url) as asker,
        ):
            await theirs.command("listen", name="secure", port=free_port())
            tls = ClientTls(ours.certificate, ours.key, expected=PeerId.parse(theirs_own.fingerprint))
            assert (await asker.request("secure", 1, 10.0, Ask(kind, tls))).data == {"key": "secure", "payload": 1}
            assert await theirs.command("served") == [ours.fingerprint]


@pytest.mark.slow
async def test_values_are_published_to_node_and_a_node_publisher_is_heard(tmp_path: Path) -> None:
    async with our_grape() as grape, node("transports", {"grape": grape.url, "kind": "ws"}) as theirs:
        (tmp_path / "mine.py").write_text(UPPER)
        own = [f"{tmp_path}/mine.py:clock", "--audience", "anyone", "--transport", "pub", "--name", "ticks"]
        async with grapevine("share", *own, "--grape", grape.url, "--no-lan", home=tmp_path) as program:
            await program.event("announced")
            await theirs.command("subscribe", name="ticks")

            async def heard() -> bool:
                return len(await theirs.command("heard")) >= 3

            await until(heard, "three values are heard")
            first, second, *_ = [json.loads(each)["n"] for each in await theirs.command("heard")]
            assert second == first + 1
        await theirs.command("publish", name="node_pub", port=free_port())
        arguments = ["watch", "node_pub", "--once", "--grape", grape.url, "--no-lan"]
        async with grapevine(*arguments, home=tmp_path) as program:
            assert (await program.event("value"))["value"] == "wörld"


@pytest.mark.slow
@KINDS
async def test_a_node_service_is_shared_to_friends(tmp_path: Path, kind: str) -> None:
    async with our_grape() as grape, node("transports", {"grape": grape.url, "kind": kind}) as theirs:
        await theirs.command("listen", name="at_home", port=free_port())
        own = ["--grenache", "at_home", "--name", "bridge", "--audience", "anyone", "--grape", grape.url, "--no-lan"]
        async with grapevine("share", *own, home=tmp_path) as program:
            await program.event("announced")
            asked = ["request", "bridge_worker", '{"a":1}', "--grape", grape.url, "--no-lan", "--transport", "utp"]
            async with grapevine(*asked, home=tmp_path / "friend") as friend:
                reply = await friend.event("reply")
                assert reply["data"] == {"key": "at_home", "payload": {"a": 1}}
