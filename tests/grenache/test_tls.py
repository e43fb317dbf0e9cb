"""TLS with certificates of both sides: any one, told by its fingerprint, or those of an authority that are in time."""

from contextlib import aclosing
from pathlib import Path

import pytest

from core.errors import LocalError, PeerError, RemoteError
from core.grenache.asker import Ask, WebAsker
from core.grenache.client_tls import ClientTls
from core.grenache.config import Tls, WebConfig
from core.grenache.tls import certificate_id
from core.identity.identity import Identity
from core.kinds.share import Share
from core.peer_id import PeerId
from core.values import JsonValue
from tests.grenache.site import FakeSite, connected, request, serving
from tests.grenache.test_asker import Names
from tests.kinds.test_grenache import answered
from tests.support.certificates import Authority

pytestmark = pytest.mark.asyncio
TRANSPORTS = pytest.mark.parametrize("transport", ["http", "ws"])


@TRANSPORTS
async def test_both_sides_are_known_by_their_fingerprints(tmp_path: Path, transport: str) -> None:
    authority = Authority(tmp_path / "ca")
    ours, theirs = authority.certificate("ours"), authority.certificate("theirs")
    site = FakeSite()
    async with (
        serving(site, WebConfig(tls=Tls(ours.certificate, ours.key))) as server,
        aclosing(WebAsker(Names(server.address))) as asker,
    ):
        tls = ClientTls(theirs.certificate, theirs.key, expected=PeerId.parse(ours.fingerprint))
        for payload in ("hello", "x" * 700_000):
            answer = await asker.request("svc", payload, 10.0, Ask(transport, tls))
            assert (answer.data, answer.peer_id) == (payload, PeerId.parse(ours.fingerprint))
        assert {caller.peer_id for caller in site.callers} == {PeerId.parse(theirs.fingerprint)}
        await asker.request("svc", 1, 10.0, Ask(transport, ClientTls()))
        assert site.callers[-1].peer_id is None, "who shows none is nobody"
        other = ClientTls(expected=PeerId.parse(theirs.fingerprint))
        with pytest.raises(RemoteError) as failure:
            await asker.request("svc", 1, 10.0, Ask(transport, other))
        assert failure.value.name == "ERR_WRONG_PEER"


async def test_only_an_authority_that_was_named_and_in_time(tmp_path: Path) -> None:
    authority, foreign = Authority(tmp_path / "ca"), Authority(tmp_path / "foreign")
    ours, good = authority.certificate("ours"), authority.certificate("good")
    site = FakeSite()
    async with (
        serving(site, WebConfig(tls=Tls(ours.certificate, ours.key, authority.file, required=True))) as server,
        aclosing(WebAsker(Names(server.address))) as asker,
    ):
        trusting = ClientTls(good.certificate, good.key, authority.file)
        assert (await asker.request("svc", 1, 10.0, Ask("http", trusting))).data == 1
        stranger, old = foreign.certificate("stranger"), authority.certificate("old", days=-1)
        for wrong in (
            ClientTls(stranger.certificate, stranger.key),
            ClientTls(old.certificate, old.key),
            ClientTls(),
            ClientTls(good.certificate, good.key, foreign.file),
        ):
            with pytest.raises(PeerError):
                await asker.request("svc", 1, 10.0, Ask("http", wrong))
        assert len(site.callers) == 1, "nobody else got past the handshake"


async def test_plain_words_at_a_tls_port_and_tls_at_a_plain_one(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ca").certificate("ours")
    async with serving(FakeSite(), WebConfig(tls=Tls(ours.certificate, ours.key))) as server:
        async with connected(server) as bare:
            bare.say(request(b'[1,"svc",2]'))
            assert await bare.gone()
        async with aclosing(WebAsker(Names(server.address))) as asker:
            assert (await asker.request("svc", 1, 10.0, Ask("http", ClientTls()))).data == 1
    async with serving(FakeSite()) as server, aclosing(WebAsker(Names(server.address))) as asker:
        with pytest.raises(PeerError):
            await asker.request("svc", 1, 10.0, Ask("http", ClientTls()))


async def test_an_ed25519_certificate_is_known_by_its_key() -> None:
    identity = Identity.generate()
    from cryptography.hazmat.primitives.serialization import Encoding

    assert certificate_id(identity.certificate.public_bytes(Encoding.DER)) == identity.peer_id
    assert certificate_id(None) is None


async def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    ours, other = authority.certificate("ours"), authority.certificate("other")
    (tmp_path / "odd").write_text("no certificate")
    for tls in (
        Tls(tmp_path / "odd", ours.key),
        Tls(ours.certificate, tmp_path / "none"),
        Tls(ours.certificate, other.key),
        Tls(ours.certificate, ours.key, tmp_path / "odd"),
    ):
        with pytest.raises(LocalError) as failure:
            async with serving(FakeSite(), WebConfig(tls=tls)):
                pass
        assert failure.value.name == "ERR_TRANSPORT"


async def test_tls_to_the_server_and_only_with_the_certificate_that_was_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    theirs, other = authority.certificate("theirs"), authority.certificate("other")
    async with serving(FakeSite(), WebConfig(tls=Tls(theirs.certificate, theirs.key))) as server:
        told: dict[str, JsonValue] = {"target": str(server.address), "key": "rpc_test"}
        ways: list[dict[str, JsonValue]] = [
            {"tls": True}, {"fingerprint": theirs.fingerprint}, {"authority": str(authority.file)},
        ]  # fmt: skip
        for way in ways:
            share = Share("bridge", "grenache", {**told, **way})
            assert await answered(share, 1) == 1
        with pytest.raises(LocalError) as failure:
            await answered(Share("bridge", "grenache", {**told, "fingerprint": other.fingerprint}), 1)
        assert failure.value.name == "ERR_BRIDGE"
