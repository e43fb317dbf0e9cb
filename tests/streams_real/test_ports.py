"""iperf3, an MQTT broker and datagrams, through ports of a friend."""

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import cast

import pytest

from tests.streams_real import finished, pair
from tests.support.ports import free_port
from tests.support.process import running, until
from tests.support.tools import find

pytestmark = pytest.mark.asyncio
ON_THE_WAY = 32_000_000  # bytes of one connection in the system's buffers and in the peers', when time is up
BROKER = "allow_anonymous true\nlistener {port} 127.0.0.1\n"


async def listens(port: int) -> bool:
    """Return whether something answers on a port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@pytest.mark.slow
@pytest.mark.programs
async def test_iperf3_with_parallel_streams_both_ways(tmp_path: Path) -> None:
    port = free_port()
    async with (
        running("iperf3", ["iperf3", "-s", "-B", "127.0.0.1", "-p", str(port), "--forceflush"]) as server,
        pair(tmp_path) as two,
    ):

        async def ready() -> bool:
            return any("Server listening" in str(event.get("line", "")) for event in server.events)

        await until(ready, "iperf3 listens")
        async with two.share("--tcp", str(port), "--name", "iperf"), two.open("iperf") as (_, where):
            local = where.rpartition(":")[2]
            for more in ([], ["-R"], ["-P", "8"]):
                command = ["iperf3", "-c", "127.0.0.1", "-p", local, "-t", "2", "-J", *more]
                done = await finished(*command)
                assert done.code == 0, done.out
                end = json.loads(done.out)["end"]
                assert "sum_sent" in end, done.out
                sent, received = end["sum_sent"]["bytes"], end["sum_received"]["bytes"]
                assert received > 1_000_000
                assert sent - received < ON_THE_WAY * (8 if "-P" in more else 1)


@pytest.mark.programs
async def test_mqtt_reaches_a_broker_far_away(tmp_path: Path) -> None:
    port, broker = free_port(), find("mosquitto")
    assert broker is not None
    config = tmp_path / "mosquitto.conf"
    config.write_text(BROKER.format(port=port))
    async with running("mosquitto", [broker, "-c", str(config)]), pair(tmp_path) as two:
        await until(lambda: listens(port), "mosquitto listens")
        async with two.share("--tcp", str(port), "--name", "mqtt"), two.open("mqtt") as (_, where):
            place = ("-h", "127.0.0.1", "-p", where.rpartition(":")[2], "-t", "garden/temp")
            assert (await finished("mosquitto_pub", *place, "-r", "-q", "1", "-m", "21.5")).code == 0
            heard = await finished("mosquitto_sub", *place, "-C", "1", "-W", "60")
            assert heard.out == b"21.5\n"


class Mirror(asyncio.DatagramProtocol):
    """Answers each datagram with its bytes in reverse, as a DNS server or a VPN would answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        """Answer."""
        self.transport.sendto(data[::-1], address)


async def test_datagrams_keep_their_bounds_and_their_senders(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Mirror, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        async with (
            pair(tmp_path) as two,
            two.share("--udp", str(port), "--name", "vpn"),
            two.open("vpn") as (_, where),
        ):
            local = ("127.0.0.1", int(where.rpartition(":")[2]))
            senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
            for sender in senders:
                sender.setblocking(False)
                sender.connect(local)
            for size in (1, 512, 1100):
                for sender in senders:
                    data = os.urandom(size)

                    async def answered(sender: socket.socket = sender, data: bytes = data) -> bool:
                        sender.send(data)  # again, as any program over UDP does
                        try:
                            async with asyncio.timeout(1.0):
                                return await loop.sock_recv(sender, 65536) == data[::-1]
                        except TimeoutError:
                            return False

                    await until(answered, f"{size} bytes come back")
            for sender in senders:
                sender.close()
    finally:
        transport.close()
