"""A broker that lies, on loopback: what it names is punched five times at most, and strangers' networks never."""

import socket
from pathlib import Path

import pytest

from core.aio.tasks import TaskSet
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.news.events import PeerEvent, PunchEnded, PunchSent
from core.own.networks import attached
from core.peer import open_peer
from core.profile.config import PeerConfig
from core.rpc.server import RpcServer
from core.values import Address, Caller, JsonValue
from tests.support.answers import answered_by
from tests.support.process import until

PUNCH = b"\xc3\xbf"


def entry(host: str, port: int, *, server: bool = False) -> JsonValue:
    return {"service": "fibonacci_worker", "server": server, "address": host, "port": port}


def _serve(tasks: TaskSet, server: RpcServer, stream: Stream) -> None:
    tasks.spawn(server.serve(stream), name="serve")


def test_the_networks_that_we_are_on(tmp_path: Path) -> None:
    routes = tmp_path / "route"
    routes.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0107A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0007A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "tun0\t0000080A\t0107A8C0\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "nonsense\n"
    )
    assert [str(each.network) for each in attached(routes)] == ["192.168.7.0/24"]
    assert attached(tmp_path / "none") == ()


@pytest.mark.asyncio
async def test_whom_a_broker_names_is_punched_five_times_and_its_lies_are_not_followed() -> None:
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    silent.setblocking(False)
    asked: list[JsonValue] = []

    def lie(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        asked.append(payload)
        named = [("127.0.0.1", silent.getsockname()[1]), caller.address, ("10.255.3.4", 4000), ("0.0.0.0", 4000)]
        named += [("127.0.0.1", 53), ("239.1.1.1", 4000), ("not a host", 4000)]
        shown: dict[str, JsonValue] = {str(number): entry(*each) for number, each in enumerate(named)}
        return {"fibonacci_worker": shown | {"a": 7, "b": [], "c": entry("127.0.0.1", 70_000)}}

    events: list[PeerEvent] = []
    server, tasks = RpcServer(answered_by(lie)), TaskSet("broker")
    async with await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:
        endpoint.on_stream = lambda stream: _serve(tasks, server, stream)
        config = PeerConfig(bootstrap=(), dht_port=0, api_port=0, use_broker=True, brokers=(str(endpoint.address),))
        async with open_peer(config, events.append) as peer:
            await peer.share("fibonacci")

            async def told() -> bool:
                return any(isinstance(event, PunchEnded) for event in events) and len(asked) >= 2

            await until(told, "the outcome of punching is told, and the broker was asked again")
            (ended,) = [event for event in events if isinstance(event, PunchEnded)]
            assert (ended.open, ended.peer.port) == (False, silent.getsockname()[1])
            assert "no answer" in ended.reason
            assert asked[0] == {"service": "fibonacci_worker", "server": True}
            assert peer.snapshot().broker_use.refused > 0
        await tasks.aclose()
    got = []
    while True:
        try:
            got.append(silent.recv(100))
        except BlockingIOError:
            break
    silent.close()
    assert got == [PUNCH] * 5
    assert {event.peer.port for event in events if isinstance(event, PunchSent)} == {ended.peer.port}
