"""Packet sizes on a real kernel whose loopback takes little: in a network namespace of its own, on Linux as root."""

import shutil
import subprocess
import sys

import pytest

SCRIPT = """
import asyncio
from core.net.endpoint import Endpoint
from core.values import Address

async def main():
    async with await Endpoint.open(Address("127.0.0.1", 0)) as a, await Endpoint.open(Address("127.0.0.1", 0)) as b:
        streams = asyncio.Queue(maxsize=1)
        b.on_stream = streams.put_nowait
        here = await a.connect(b.address, timeout=5)
        data, got = bytes(range(250)) * 8000, bytearray()
        async with asyncio.TaskGroup() as group:
            group.create_task(here.write(data, boundary=False))
            there = await streams.get()
            while len(got) < len(data):
                got += await there.read()
        utp = a.statistics().utp
        print(here.packet_bytes, bytes(got) == data, utp.black_holes, a.statistics().send_errors)

asyncio.run(main())
"""


def in_namespace(mtu: int) -> list[str]:
    """Return what a transfer said on a loopback of that MTU; skips where there are no namespaces."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("no unshare or ip")
    shell = f'ip link set lo up mtu {mtu} || exit 77; exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", shell, sys.executable, SCRIPT], capture_output=True, text=True, timeout=60
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no network namespaces here")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
@pytest.mark.parametrize(("mtu", "size"), [(600, 548), (1280, 1252), (1500, 1472), (9000, 8972), (65_536, 16_356)])
def test_packets_fit_the_link_and_the_kernel_says_what_does_not(mtu: int, size: int) -> None:
    assert in_namespace(mtu) == [str(size), "True", "0", "0"]
