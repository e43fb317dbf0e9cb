"""Nothing that a test does, or the app when it is started, reaches another machine; and what would is seen."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import grapevine
from tests.support.seal import Namespace, Seal, leaves
from tests.support.tools import ROOT

FAR = ("198.51.100.7", 9)  # RFC 5737: nobody's
_SEND = f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', {FAR})"


@pytest.fixture
def namespace(sealed: Seal) -> Namespace:
    """The network namespace that this process is in."""
    if not isinstance(sealed, Namespace):
        pytest.skip("network namespaces need root on Linux")
    return sealed


def test_there_is_no_way_out(namespace: Namespace) -> None:
    assert os.readlink("/proc/thread-self/ns/net") != namespace.outside
    assert {name for _, name in socket.if_nameindex()} == {"lo", "out", "nowhere"}
    assert os.path.ismount("/run/netns")


def test_what_a_test_sends_beyond_the_machine_is_seen(namespace: Namespace) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.sendto(b"x", ("127.0.0.1", own.getsockname()[1] or 9))
        assert namespace.escaped() == []
        own.sendto(b"x", FAR)
    assert namespace.escaped() == ["udp 198.51.100.7:9"]


def test_what_its_programs_send_is_seen_too(namespace: Namespace) -> None:
    subprocess.run([sys.executable, "-c", _SEND], check=True, timeout=30)
    assert namespace.escaped() == ["udp 198.51.100.7:9"]


def test_the_hook_refuses_what_python_sends() -> None:
    """In a program of its own: a hook stays for good."""
    watched = f"from tests.support.seal import Hook; Hook(); {_SEND}"
    done = subprocess.run([sys.executable, "-c", watched], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "Escape: ('198.51.100.7', 9) is another machine" in done.stderr


@pytest.mark.parametrize(
    ("address", "expected"),
    [(("127.0.0.1", 1), False), (("::1", 1, 0, 0), False), ("/run/bus", False), (("localhost", 1), False),
     (("0.0.0.0", 0), False), (FAR, True), (("fe80::1%eth0", 1, 0, 2), True), ((3,), False)],
)  # fmt: skip
def test_whose_address_it_is(address: object, expected: bool) -> None:
    assert leaves(address) is expected


@pytest.mark.asyncio
async def test_the_app_with_default_settings_sends_nothing_beyond_the_machine(
    namespace: Namespace, tmp_path: Path
) -> None:
    """Two of them: they find one another on the customary ports, and ask nobody else."""
    async with grapevine("share", "fibonacci", home=tmp_path / "one") as sharing:
        await sharing.event("announced")
        async with grapevine("consume", "fibonacci", "--once", home=tmp_path / "other") as asking:
            assert (await asking.event("reply"))["data"][:3] == [1, 1, 2]
    assert namespace.escaped() == []
