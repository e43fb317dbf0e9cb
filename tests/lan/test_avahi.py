"""Another implementation of mDNS and DNS-SD on the network: avahi lists us, and what it publishes does no harm."""

import asyncio
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core.lan.instance import SERVICE
from tests.lan.bridge import NETWORK, Machine, home
from tests.lan.test_on_a_bridge import FIBONACCI, play
from tests.support.tools import ROOT

pytestmark = [pytest.mark.natlab, pytest.mark.slow]
SCRIPT = ROOT / "tests" / "lan" / "avahi.sh"
TYPE = SERVICE.removesuffix(".local.")
PATIENCE = 60.0  # seconds for a daemon, a bus and a browser; 3 on a machine that does nothing else
# what somebody may publish under our type: no name of ours, no port of ours, too much text, tags of no length, a name
# of ours with the text of another version, and ports of well-known services
NONSENSE = (
    ("Anna's printer", "9", ()),
    ("a" * 20, "53", ("v=1", "dht=53")),
    ("b" * 20, "20001", ("v=2", "dht=20001")),
    ("c" * 20, "20001", ("v=1", "dht=99999")),
    ("d" * 20, "20001", ("v=1", "dht=20001", "f=abc")),
    ("e" * 20, "20001", ("v=1", "dht=20001", *(f"x{number}={'x' * 200}" for number in range(5)))),
    ("f" * 20, "0", ("=", "v", "dht")),
)


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    with home() as found:
        yield found


def beside(machine: Machine, folder: Path, *command: str) -> list[str]:
    """Return the command line that runs a command beside an avahi daemon on this machine."""
    folder.mkdir()
    return [*machine.inside, "unshare", "--mount", str(SCRIPT), str(folder), *command]


@pytest.mark.asyncio
async def test_avahi_lists_us_and_our_name_is_nobodys(machines: list[Machine], tmp_path: Path) -> None:
    here, _, there = machines
    async with play(here, tmp_path, "share", "fibonacci") as worker:
        up = await worker.event("listening")
        browse = beside(there, tmp_path / "avahi", "avahi-browse", "--resolve", "--parsable", "--terminate", TYPE)
        done = await asyncio.to_thread(
            subprocess.run, browse, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        lines = [line.split(";") for line in done.stdout.splitlines() if line.startswith("=")]
        assert len(lines) == 1, done.stdout + done.stderr
        _, _, family, name, kind, _, _, address, port, text = lines[0]
        assert (family, kind, address, int(port)) == ("IPv4", TYPE, here.host, up["port"])
        assert len(name) == 20
        assert '"v=1"' in text
        assert '"dht=20001"' in text
        whole = done.stdout.casefold()
        async with play(here, tmp_path, "id") as showing:
            ours = (await showing.event("id"))["peer_id"].casefold()
        assert ours[:7] not in whole  # the Peer ID is told to nobody


@pytest.mark.asyncio
async def test_what_avahi_publishes_does_no_harm(machines: list[Machine], tmp_path: Path) -> None:
    here, there, hostile = machines
    lines = [f"avahi-publish -s {_quoted(name)} {TYPE} {port} {_words(text)} &" for name, port, text in NONSENSE]
    command = beside(hostile, tmp_path / "avahi", "sh", "-c", "\n".join([*lines, "sleep 20"]))
    shouting = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with play(here, tmp_path, "share", "fibonacci") as worker:
            await asyncio.sleep(4.0)
            async with play(there, tmp_path, "consume", "fibonacci", "--once", "--timeout", "30") as consumer:
                assert (await consumer.event("reply"))["data"] == FIBONACCI
                assert await consumer.wait() == 0
            assert not [line for line in worker.stderr.splitlines() if "Traceback" in line]
            told = [event["message"] for event in worker.events if event["event"] == "grape"]
            assert not [each for each in told if f"{NETWORK}.9" in each]
    finally:
        shouting.terminate()
        await shouting.wait()


def _words(texts: Sequence[str]) -> str:
    return " ".join(map(_quoted, texts))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
