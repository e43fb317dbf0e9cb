"""Peers on loopback: restricted and open services, changes that hold on live connections, and two of one profile."""

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from core.errors import LocalError, RefusedError
from core.identity.identity import Identity
from core.news.events import PendingRequest, RequestServed, TrustChanged
from core.news.hub import Hub
from core.news.roster import Roster
from core.peer import Peer, PeerConfig, open_peer
from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.serving.admission import Admission
from core.serving.call import Call
from core.serving.catalog import Catalog
from core.serving.handler import Handler
from core.trust.audience import Audience
from core.trust.entries import EVERY
from core.trust.store import TrustStore
from core.values import Caller, JsonValue
from tests.peer.ears import Ears
from tests.peer.ears import peer as plain_peer
from tests.secure.sides import ANNA, BERT, MALLORY
from tests.support.process import until
from tests.trust.people import ANN, HERE, NOW

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(autouse=True)
async def nothing_fails_unheard() -> AsyncIterator[None]:
    """Fail when a task or a callback failed where nobody heard of it."""
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    yield
    assert reports == []


class Lamp:
    """A service that is somebody's own; "wait" is answered when the test says so."""

    name, description = "lamp", "a lamp in the garden"

    def __init__(self) -> None:
        self.example: JsonValue = "on"
        self.callers: list[Caller] = []
        self.waiting, self.go_on, self.cancelled = asyncio.Event(), asyncio.Event(), 0

    async def handle(self, payload: JsonValue, caller: Caller) -> JsonValue:
        self.callers.append(caller)
        if payload == "wait":
            self.waiting.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return payload


@asynccontextmanager
async def host(
    path: Path | None = None, audiences: dict[str, Audience] | None = None, *, lamp: Lamp | None = None
) -> AsyncIterator[tuple[Peer, Ears, Lamp]]:
    """Open a peer with an identity that shares the lamp."""
    ears, lamp = Ears(), lamp or Lamp()
    config = PeerConfig(
        bootstrap=(), dht_port=0, api_port=0, bind="127.0.0.1", identity=BERT, trust_file=path,
        audiences=audiences or {},
    )  # fmt: skip
    async with open_peer(config, ears, registry=Registry(lamp, FibonacciService())) as opened:
        await opened.share("lamp")
        yield opened, ears, lamp


def at(peer: Peer) -> str:
    return str(peer.snapshot().address)


async def refusal(client: Peer, target: str, payload: JsonValue = "on") -> RefusedError:
    """Ask and return how that was refused."""
    with pytest.raises(RefusedError) as caught:
        await client.request(target, payload, timeout=5.0)
    return caught.value


@asynccontextmanager
async def anna(identity: Identity = ANNA) -> AsyncIterator[Peer]:
    """Open a peer with an identity, which shares nothing."""
    async with plain_peer(identity=identity) as (opened, _):
        yield opened


async def on(client: Peer, target: Peer) -> None:
    """Switch the lamp on; fail if that is refused."""
    reply = await client.request(at(target), "on", timeout=5.0)
    assert (reply.data, reply.peer_id) == ("on", BERT.peer_id)


@pytest.mark.parametrize("audience", [None, Audience.TRUSTED, Audience.IDENTIFIED])
async def test_a_plain_peer_is_told_why_it_is_not_served(audience: Audience | None) -> None:
    audiences = {} if audience is None else {"lamp": audience}
    async with host(None, audiences) as (peer, ears, lamp), plain_peer() as (client, _):
        error = await refusal(client, at(peer))
        assert error.name == "ERR_ENCRYPTION_REQUIRED"
        assert "lamp is for encrypted peers" in str(error)
        served = await ears.hear(RequestServed)
        assert served.error is not None
        assert served.error.startswith("ERR_ENCRYPTION_REQUIRED: ")
        assert lamp.callers == []
        assert peer.pending() == ()
        assert (peer.snapshot().services[0].failed, peer.snapshot().services[0].refused) == (0, 1)


async def test_an_audience_changes_while_somebody_is_connected() -> None:
    async with host() as (peer, ears, lamp), plain_peer() as (client, _):
        for audience, name in (
            (Audience.ANYONE, None),
            (Audience.OFF, "ERR_SERVICE_OFF"),
            (Audience.ANYONE, None),
            (Audience.TRUSTED, "ERR_ENCRYPTION_REQUIRED"),
        ):
            before = peer.snapshot().revision
            peer.set_audience("lamp", audience)
            assert peer.snapshot().services[0].audience is audience
            assert peer.snapshot().revision > before
            if name is None:
                assert (await client.request(at(peer), "on", timeout=5.0)).data == "on"
            else:
                assert (await refusal(client, at(peer))).name == name
        assert [each.peer_id for each in lamp.callers] == [None, None]
        assert [event.message for event in ears.of(TrustChanged)][:2] == [
            "lamp: anyone, plain Grenache peers too", "lamp: off"
        ]  # fmt: skip
        with pytest.raises(LocalError, match="services here"):
            peer.set_audience("weather", Audience.ANYONE)


async def test_a_running_request_ends_when_its_caller_may_no_longer() -> None:
    async with host(None, {"lamp": Audience.ANYONE}) as (peer, _, lamp), plain_peer() as (client, _):
        asked = asyncio.get_running_loop().create_task(refusal(client, at(peer), "wait"))
        await asyncio.wait_for(lamp.waiting.wait(), 5.0)
        await peer.trust(ANN, "Ann")
        assert lamp.cancelled == 0
        peer.set_audience("lamp", Audience.OFF)
        assert (await asked).name == "ERR_SERVICE_OFF"
        assert lamp.cancelled == 1


async def test_a_handler_that_does_not_end_when_told_is_refused_all_the_same() -> None:
    class Stubborn(Lamp):
        async def handle(self, payload: JsonValue, caller: Caller) -> JsonValue:
            try:
                return await super().handle(payload, caller)
            except asyncio.CancelledError:
                return "a secret"

    async with host(None, {"lamp": Audience.ANYONE}, lamp=Stubborn()) as (peer, _, lamp), plain_peer() as (client, _):
        asked = asyncio.get_running_loop().create_task(refusal(client, at(peer), "wait"))
        await asyncio.wait_for(lamp.waiting.wait(), 5.0)
        peer.set_audience("lamp", Audience.TRUSTED)
        assert (await asked).name == "ERR_ENCRYPTION_REQUIRED"
        assert (await refusal(client, at(peer))).name == "ERR_ENCRYPTION_REQUIRED", "the connection lives"


async def test_the_demo_stays_open_to_anyone() -> None:
    async with plain_peer() as (peer, _), plain_peer() as (client, _):
        await peer.share("fibonacci")
        assert (await client.request(at(peer), {"length": 3}, timeout=5.0)).data == [1, 1, 2]
        assert peer.snapshot().services[0].audience is Audience.ANYONE


async def test_a_change_by_another_program_is_noticed_and_told(tmp_path: Path) -> None:
    path = tmp_path / "default.trust.json"
    async with host(path) as (peer, ears, _):
        elsewhere = TrustStore(path, serving=lambda: False)
        await elsewhere.open(NOW)
        await elsewhere.trust(ANN, "Ann", EVERY, NOW)
        event = await ears.hear(TrustChanged)
        assert "another program" in event.message
        assert event.known == 1
        assert [known.name for known in peer.snapshot().known_peers] == ["Ann"]
        path.write_text("damage")
        event = await ears.hear(TrustChanged, lambda event: event.known == 0)
        assert "nobody is trusted" in event.message
        assert peer.snapshot().trust_problem == event.message
        assert peer.known_peers() == ()


async def test_what_is_changed_is_there_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "default.trust.json"
    async with host(path) as (peer, ears, _):
        await peer.trust(ANN, "Ann", frozenset({"lamp"}))
        await peer.block(ANN)
        messages = [event.message for event in ears.of(TrustChanged)]
        assert messages == [f"Ann ({ANN.short}) may call lamp", f"Ann ({ANN.short}) is blocked"]
    async with host(path) as (peer, ears, _):
        (known,) = peer.known_peers()
        assert (known.name, known.blocked) == ("Ann", True)
        await peer.untrust(ANN)
        assert ears.of(TrustChanged)[-1].message == f"Ann ({ANN.short}) is no longer known"
        assert ears.of(PendingRequest) == []
    async with host(path) as (peer, _, _):
        assert peer.known_peers() == ()


async def test_a_request_that_is_given_up_before_it_begins_leaves_no_coroutine_behind() -> None:
    class Late(Lamp):
        def handle(self, payload: JsonValue, caller: Caller) -> Coroutine[Any, Any, JsonValue]:
            self.coroutine = super().handle(payload, caller)
            return self.coroutine

    late = Late()
    audiences = {"lamp": Audience.ANYONE}
    hub = Hub()
    admission = Admission(hub, None, audiences, own=lambda: None, serving=lambda: True)
    handler = Handler(hub, Catalog(Registry()), Roster(hub), admission, None)
    outcome = admission.admit(late, Call(handler, "lamp", Caller(HERE), late, None, False, 0), "on")
    assert isinstance(outcome, Coroutine)
    outcome.close()
    del outcome
    gc.collect()
    assert inspect.getcoroutinestate(late.coroutine) == inspect.CORO_CLOSED


# -- encrypted callers ----------------------------------------------------------------------------------------------


async def test_a_stranger_waits_is_accepted_and_is_served_on_the_same_connection() -> None:
    async with host() as (peer, ears, lamp), anna() as client:
        error = await refusal(client, at(peer))
        assert error.name == "ERR_NOT_TRUSTED"
        assert "the owner was asked" in str(error)
        event = await ears.hear(PendingRequest)
        here = client.snapshot().address
        assert (event.peer_id, event.name, event.service, event.caller) == (ANNA.peer_id, "", "lamp", here)
        (waiting,) = peer.snapshot().pending
        assert (waiting.key, waiting.times) == ((ANNA.peer_id, "lamp"), 1)
        await peer.accept(ANNA.peer_id, "lamp", once=False)
        await on(client, peer)
        assert [each.peer_id for each in lamp.callers] == [ANNA.peer_id]
        (known,) = peer.snapshot().known_peers
        assert (known.peer_id, known.services) == (ANNA.peer_id, frozenset({"lamp"}))
        assert known.last_seen is not None
        assert peer.pending() == ()


async def test_accepted_once_it_is_served_once_and_may_finish() -> None:
    async with host() as (peer, _, lamp), anna() as client:
        await refusal(client, at(peer))
        await peer.accept(ANNA.peer_id, "lamp", once=True)
        asked = asyncio.get_running_loop().create_task(client.request(at(peer), "wait", timeout=5.0))
        await asyncio.wait_for(lamp.waiting.wait(), 5.0)
        await peer.trust(MALLORY.peer_id)  # any change: those under way are looked through
        peer.set_audience("lamp", Audience.IDENTIFIED)
        peer.set_audience("lamp", Audience.TRUSTED)
        lamp.go_on.set()
        assert (await asked).data == "wait"
        assert (await refusal(client, at(peer))).name == "ERR_NOT_TRUSTED"
        assert len(lamp.callers) == 1
        assert [each.key for each in peer.pending()] == [(ANNA.peer_id, "lamp")]


@pytest.mark.parametrize("removed", [False, True])
async def test_what_was_accepted_once_ends_when_the_peer_is_removed(tmp_path: Path, removed: bool) -> None:
    """FAULTS.md D3: one who was known, for something else, and asked for this one as well."""
    path = tmp_path / "default.trust.json"
    async with host(path) as (peer, _, lamp), anna() as client:
        await peer.trust(ANNA.peer_id, "Anna", frozenset({"fibonacci"}))
        await refusal(client, at(peer))
        await peer.accept(ANNA.peer_id, "lamp", once=True)
        asked = asyncio.get_running_loop().create_task(client.request(at(peer), "wait", timeout=5.0))
        await asyncio.wait_for(lamp.waiting.wait(), 5.0)
        if removed:
            elsewhere = TrustStore(path, serving=lambda: False)
            await elsewhere.open(NOW)
            await elsewhere.untrust(ANNA.peer_id, NOW)
            with pytest.raises(RefusedError) as failed:
                await asked
            assert failed.value.name == "ERR_NOT_TRUSTED"
            assert lamp.cancelled == 1
        else:
            await peer.trust(ANNA.peer_id, "Anna B.", frozenset({"other"}))
            lamp.go_on.set()
            assert (await asked).data == "wait"


@pytest.mark.parametrize("end", ["untrust", "other service", "block", "off", "file"])
async def test_what_a_peer_has_called_ends_with_its_trust(tmp_path: Path, end: str) -> None:
    path = tmp_path / "default.trust.json"
    async with host(path) as (peer, _, lamp), anna() as client:
        await peer.trust(ANNA.peer_id, "Anna")
        asked = asyncio.get_running_loop().create_task(refusal(client, at(peer), "wait"))
        await asyncio.wait_for(lamp.waiting.wait(), 5.0)
        if end == "untrust":
            await peer.untrust(ANNA.peer_id)
        elif end == "other service":
            await peer.trust(ANNA.peer_id, "", frozenset({"fibonacci"}))
        elif end == "block":
            await peer.block(ANNA.peer_id)
        elif end == "off":
            peer.set_audience("lamp", Audience.OFF)
        else:
            elsewhere = TrustStore(path, serving=lambda: False)
            await elsewhere.open(NOW)
            await elsewhere.untrust(ANNA.peer_id, NOW)
        name = {"block": "ERR_BLOCKED", "off": "ERR_SERVICE_OFF"}.get(end, "ERR_NOT_TRUSTED")
        assert (await asked).name == name
        assert lamp.cancelled == 1
        assert (await refusal(client, at(peer))).name == name


async def test_a_blocked_peer_is_hung_up_on_and_others_are_not() -> None:
    audiences = {"lamp": Audience.IDENTIFIED}
    async with host(None, audiences) as (peer, ears, _), anna() as client, anna(MALLORY) as mallory:
        await on(client, peer)
        await on(mallory, peer)
        connected = peer._parts.server.statistics().connections
        await peer.block(MALLORY.peer_id)

        async def fewer() -> bool:
            return peer._parts.server.statistics().connections == connected - 1

        await until(fewer, "the blocked one is no longer connected")
        await on(client, peer)
        assert (await refusal(mallory, at(peer))).name == "ERR_BLOCKED"
        assert peer.pending() == ()
        assert ears.of(PendingRequest) == []


async def test_its_owner_calls_a_restricted_service_from_another_program() -> None:
    async with host() as (peer, _, _), anna(BERT) as same:
        await on(same, peer)
        assert peer.pending() == ()


async def test_when_somebody_was_seen_is_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "default.trust.json"
    async with host(path) as (peer, _, _), anna() as client:
        await peer.trust(ANNA.peer_id, "Anna")
        await on(client, peer)
    store = TrustStore(path)
    await store.open(NOW)
    (known,) = store.peers()
    assert known.last_seen is not None


async def test_by_name_another_is_asked_when_the_first_does_not_know_us() -> None:
    async with host() as (closed, _, _), host() as (open_one, _, _):
        open_one.set_audience("lamp", Audience.ANYONE)
        node = f"127.0.0.1:{closed.snapshot().grape.dht_port}"
        async with plain_peer(node, identity=ANNA) as (client, _):
            for peer in (closed, open_one):
                address = peer.snapshot().address
                assert address is not None
                await client.announce("lamp_worker", address.port)
            for _ in range(3):
                reply = await client.request("lamp_worker", "on", timeout=10.0)
                assert reply.peer == open_one.snapshot().address
