"""Requests that a web page can forge are refused before anything is done; those of programs are not."""

import json
import logging
from dataclasses import replace

import pytest

from core.directory.link import Link
from core.directory.link.replies import RawReply, read_count
from core.errors import LocalError, RefusedError
from core.grape.config import GrapeConfig
from tests.grape.fakes import connection, read_answer, request_bytes, rpc, talk
from tests.grape.test_http import CONFIG, chunked, serving

pytestmark = pytest.mark.asyncio

ANNOUNCE = rpc(["evil_worker", 6666])
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
OWN = {"Host": "127.0.0.1:30001", "Origin": "http://127.0.0.1:30001"}

PROGRAMS: list[dict[str, str]] = [
    {},
    {"Content-Type": JSON},
    {"Content-Type": FORM},  # curl -d
    {"Content-Type": "text/plain;charset=UTF-8", "User-Agent": "node-fetch/1.0 (+https://example.org)"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Host": "192.0.2.7:30001"},
    {"Host": "198.51.100.1"},
    {"Host": "[::1]:30001"},
    {"Host": "[2001:db8::1]"},
    {"Host": "localhost:30001"},
    {"Host": "LocalHost.:30001"},
    {"Host": "127.0.0.1:4444"},  # a forwarded port
    OWN,
    {"Host": "LOCALHOST:30001", "Origin": "http://localhost:30001"},
    {**OWN, "Sec-Fetch-Site": "same-origin", "Content-Type": JSON},
    {"Sec-Fetch-Site": "none"},
]

PAGES: list[tuple[str, dict[str, str]]] = [
    ("Origin", {"Origin": "https://example.org"}),
    ("Origin", {"Origin": "null"}),  # a sandboxed frame, a file, a page without referrer
    ("Origin", {"Origin": ""}),
    ("Origin", {"Origin": "http://127.0.0.1:8000", "Host": "127.0.0.1:30001"}),  # another program of this machine
    ("Origin", {"Origin": "http://localhost:30001", "Host": "127.0.0.1:30001"}),
    ("Origin", {"Origin": "https://127.0.0.1:30001", "Host": "127.0.0.1:30001"}),
    ("Origin", {"Origin": "chrome-extension://abcdef", "Content-Type": JSON}),
    ("Sec-Fetch-Site", {"Sec-Fetch-Site": "cross-site"}),
    ("Sec-Fetch-Site", {"Sec-Fetch-Site": "Same-Site"}),
    ("Sec-Fetch-Site", {"Sec-Fetch-Site": "what comes next"}),
    ("Sec-Fetch-Site", {**OWN, "Sec-Fetch-Site": "same-site"}),
    ("Host", {"Host": "rebound.example.org:30001"}),
    ("Host", {"Host": "rebound.example.org:30001", "Origin": "http://rebound.example.org:30001"}),
    ("Host", {"Host": "127.0.0.1.example.org"}),
    ("Host", {"Host": "localhost.example.org:30001"}),
    ("Host", {"Host": "notlocalhost"}),
    ("Host", {"Host": "[rebound.example.org]:30001"}),
    ("Host", {"Host": "2130706433"}),  # 127.0.0.1 as one number: browsers write it out, and a name may look so
    ("Content-Type", {"Content-Type": FORM, "Referer": "http://127.0.0.1:30001/"}),
    ("Content-Type", {**OWN, "Content-Type": "Text/Plain;charset=UTF-8"}),
    ("Content-Type", {"Content-Type": "multipart/form-data; boundary=x", "Sec-Fetch-Mode": "no-cors"}),
]


def announce(headers: dict[str, str], method: str = "POST") -> bytes:
    """Return an announce with these fields, "" left out, except an empty Origin."""
    raw = request_bytes("/announce", ANNOUNCE, method=method, headers=headers)
    return raw.replace(b"\r\n\r\n", b"\r\nOrigin:\r\n\r\n", 1) if headers.get("Origin") == "" else raw


@pytest.mark.parametrize("headers", PROGRAMS, ids=str)
async def test_a_program_is_served(headers: dict[str, str]) -> None:
    async with serving() as served:
        answer = await talk(served.port, announce(headers))
        assert (answer.status, answer.body, served.dht.calls) == (200, b"3", ["announce"])
        assert served.server.statistics().forbidden == {}


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
@pytest.mark.parametrize(("field", "headers"), PAGES, ids=str)
async def test_a_page_is_refused_with_the_reason(field: str, headers: dict[str, str], method: str) -> None:
    async with serving() as served:
        answer = await talk(served.port, announce(headers, method))
        assert answer.status == 403
        assert json.loads(answer.body).startswith(f"ERR_GRAPE_FORBIDDEN: {field} ")
        assert served.server.statistics().forbidden == {field: 1}
        assert (served.dht.calls, served.dht.peers.get(b"evil_worker")) == ([], None)


async def test_a_preflight_gets_no_permission() -> None:
    headers = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    async with serving() as served:
        answer = await talk(served.port, request_bytes("/announce", b"", method="OPTIONS", headers=headers))
    assert answer.status == 403
    assert set(answer.headers) == {"content-length", "date"}


async def test_the_second_of_two_fields_counts_too() -> None:
    async with serving() as served:
        raw = announce({"Sec-Fetch-Site": "none", "sec-fetch-site": "cross-site"})
        assert (await talk(served.port, raw)).status == 403


async def test_a_client_without_a_host_field_is_served_and_is_no_site() -> None:
    old = request_bytes("/lookup", rpc("svc"), headers={"Host": ""}).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with serving() as served:
        assert (await talk(served.port, old)).status == 200
        assert (await talk(served.port, old.replace(b"\r\n", b"\r\nOrigin: http://\r\n", 1))).status == 403


async def test_a_name_that_the_grape_is_told_is_its_own() -> None:
    config = replace(CONFIG, api_hosts=("Grape.example.org", "nas"))
    async with serving(config) as served:
        for host in ("grape.example.org:30001", "GRAPE.example.org.", "nas:30001"):
            assert (await talk(served.port, announce({"Host": host}))).status == 200, host
        for host in ("example.org", "x.nas", "nas.example.org"):
            assert (await talk(served.port, announce({"Host": host}))).status == 403, host


@pytest.mark.parametrize("name", ["", "http://nas", "nas:30001", "a b", "*", "x" * 254])
async def test_what_is_no_name_is_said_so(name: str) -> None:
    with pytest.raises(LocalError, match=r"--api-host .* is not a host name"):
        GrapeConfig(api_hosts=(name,))


async def test_what_is_refused_is_answered_before_its_body_and_the_connection_goes_on() -> None:
    page, program = {"Origin": "null"}, request_bytes("/lookup", rpc("svc"))
    async with serving() as served, connection(served.port) as (reader, writer):
        raw = announce({**page, "Expect": "100-continue"})
        writer.write(raw[: -len(ANNOUNCE)])
        assert (await read_answer(reader)).status == 403
        writer.write(raw[-len(ANNOUNCE) :] + program + announce(page) + program)
        assert [(await read_answer(reader)).status for _ in range(3)] == [200, 403, 200]
        assert served.dht.calls == ["lookup", "lookup"]


async def test_a_refused_body_in_chunks_is_thrown_away() -> None:
    raw = chunked(rpc("svc")).replace(b"\r\n", b"\r\nOrigin: null\r\n", 1)
    async with serving() as served, connection(served.port) as (reader, writer):
        writer.write(raw + request_bytes("/lookup", rpc("svc")))
        assert [(await read_answer(reader)).status for _ in range(2)] == [403, 200]
        assert served.dht.calls == ["lookup"]


async def test_what_a_stranger_wrote_comes_back_as_no_page() -> None:
    async with serving() as served:
        answer = await talk(served.port, announce({"Host": "<script>alert('1')</script>" + "x" * 500}))
    assert answer.status == 403
    assert not set(b"<>&()") & set(answer.body)
    assert len(answer.body) < 300


async def test_the_log_tells_once(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served:
        with caplog.at_level(logging.WARNING, logger="core.grape.http"):
            for _ in range(3):
                await talk(served.port, announce({"Host": "nas"}))
        assert served.server.statistics().forbidden == {"Host": 3}
    (said,) = caplog.messages
    assert "--api-host nas" in said


async def test_our_link_shows_what_to_do() -> None:
    sentence = (
        b'"ERR_GRAPE_FORBIDDEN: Host nas is a name: use the grape\'s IP address, or start it with --api-host nas"'
    )
    with pytest.raises(RefusedError, match="start it with --api-host nas") as refusal:
        read_count(RawReply("http://nas:30001", 403, sentence))
    assert refusal.value.name == "ERR_GRAPE_FORBIDDEN"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_our_link_is_served(host: str) -> None:
    async with serving() as served:
        link = Link((f"http://{host}:{served.port}",))
        try:
            assert await link.announce("a_worker", 4000) == 3
        finally:
            await link.close()
