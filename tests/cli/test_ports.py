"""`grapevine share`: what listens here, what is kept for later, and certificates that are accepted as they are now."""

import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from core.cli.ports import command_for
from core.kinds.certificate import fingerprint
from core.kinds.listening import Found
from core.profile.settings import SettingsStore
from core.profile.shares import kept_shares
from tests.streams_real import finished, own, pair

pytestmark = pytest.mark.asyncio


async def test_what_listens_is_listed_with_what_to_type(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        listed = await own(tmp_path, "share", "--list-ports")
        assert f"{port}" in listed.out.decode()
        assert f"grapevine share --tcp {port}" in listed.out.decode()
        told = json.loads((await own(tmp_path, "share", "--list-ports", "--json")).out)
    assert told["event"] == "ports"
    assert port in [each["port"] for each in told["ports"]]
    assert command_for(Found(3000, "node", "Web page", "http")) == "grapevine share 3000"


async def test_a_share_is_kept_for_later_and_its_name_is_not_taken_twice(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    kept = await own(tmp_path, "share", str(tmp_path / "photos"), "--permanent", "--later", "--audience", "identified")
    assert (kept.code, kept.err) == (0, "")
    assert kept.out.decode().startswith("photos is kept: 'grapevine share --all' shares it")
    again = await own(tmp_path, "share", str(tmp_path / "photos"), "--permanent", "--later")
    assert again.code == 0  # the same, for others now
    (share,) = kept_shares(SettingsStore(root=tmp_path / "grapevine").load()).shares
    assert share.audience.value == "trusted"
    taken = await own(tmp_path, "share", "8080", "--name", "photos", "--permanent")
    assert taken.code == 1
    assert "keeps another share with the name 'photos' (folder " in taken.err
    assert "grapevine shares remove photos" in taken.err
    for wrong in (["share", "8080", "--later"], ["share", "--all", "--later", "--permanent"]):
        assert (await own(tmp_path, *wrong)).code == 2
    gone = await own(tmp_path, "share", str(tmp_path / "none"), "--permanent", "--later")
    assert (gone.code, "Traceback" in gone.err) == (1, False)


@asynccontextmanager
async def device(folder: Path, name: str) -> AsyncIterator[tuple[int, str]]:
    """A page as a camera has it: https with a certificate that it made itself. Yields its port and the fingerprint."""
    key, cert = folder / f"{name}.key", folder / f"{name}.crt"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    made = ["openssl", *words, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(cert)]
    assert (await finished(*made)).code == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=f"this is {name}")

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1], fingerprint(ssl.PEM_cert_to_DER_cert(cert.read_text()))
    finally:
        await runner.cleanup()


async def page(where: str) -> tuple[int, str]:
    """Return what curl gets of an opened page: the browser's names are this machine."""
    host = where.removeprefix("http://").removesuffix("/")
    port = host.rpartition(":")[2]
    command = ["curl", "-sS", "-w", "\n%{http_code}", "-H", f"Host: {host}", f"http://127.0.0.1:{port}/"]
    text, _, status = (await finished(*command)).out.decode().rpartition("\n")
    return int(status), text


@pytest.mark.slow
@pytest.mark.programs
async def test_a_certificate_of_one_s_own_is_accepted_once_and_then_no_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as two:
        async with device(tmp_path, "camera") as (port, seen):
            url = f"https://127.0.0.1:{port}"
            async with two.share(url, "--name", "camera") as (_, told):
                assert told["ok"] is False
                assert "signed by nobody known" in told["check"]
                assert "--accept-certificate" in told["check"]
            keep = ["share", url, "--name", "camera", "--accept-certificate", "--permanent", "--later"]
            kept = await own(two.anna, *keep)
            assert (kept.code, seen in kept.err) == (0, True)
            async with two.share("--all") as (_, told), two.open("camera") as (_, where):
                assert told["check"] == f"A web server answers on port {port} (200)."
                assert await page(where) == (200, "this is camera")
        async with device(tmp_path, "thief") as (port, _):  # another machine, at another port, as nobody noticed
            store = SettingsStore(root=two.anna / "grapevine")
            text = store.path.read_text().replace(url, f"https://127.0.0.1:{port}")
            store.path.write_text(text)
            async with two.share("--all") as (_, told), two.open("camera") as (_, where):
                assert "is not the one that was accepted" in told["check"]
                status, text = await page(where)
                assert (status, "this is thief" in text, "Certificate not accepted" in text) == (502, False, True)
        plain = await own(two.anna, "share", "8080", "--accept-certificate")
        assert (plain.code, "https://" in plain.err) == (1, True)
