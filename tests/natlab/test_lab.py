"""The lab itself: what it lets through, what it does not, and that nothing of it stays."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.natlab.lab import PUBLIC, ROUTER_WAN, Lab, nat_lab
from tests.natlab.namespaces import namespaces
from tests.support.process import node
from tests.support.tools import ROOT

pytestmark = pytest.mark.natlab

_KILLED_RUN = """
import os
from tests.natlab.lab import nat_lab
with nat_lab() as lab:
    print(lab.home, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with nat_lab() as lab:
        yield lab


@pytest.mark.asyncio
async def test_nothing_comes_in_until_the_home_side_sent(lab: Lab) -> None:
    async with (
        node("peer", {"role": "client", "port": 5000}, inside=lab.in_home) as home,
        node("peer", {"role": "client", "port": 6000}, inside=lab.in_public) as public,
    ):
        await public.command("punch", address=f"{ROUTER_WAN}:5000")
        await asyncio.sleep(0.3)
        assert home.count("punch") == 0

        await home.command("punch", address=f"{PUBLIC}:6000")
        seen = await public.event("punch")
        assert seen["from"].startswith(f"{ROUTER_WAN}:"), "the public side must see the router, not the home address"

        await public.command("punch", address=seen["from"])
        assert (await home.event("punch"))["from"] == f"{PUBLIC}:6000"


def test_a_lab_leaves_nothing_behind() -> None:
    before = set(namespaces())
    with contextlib.suppress(KeyboardInterrupt), nat_lab() as lab:
        command = [*lab.in_home, "sh", "-c", "echo inside; exec sleep 60"]
        sleeper = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert sleeper.stdout is not None
        with sleeper.stdout as output:
            assert output.readline() == "inside\n"  # before that it is in no namespace of the lab yet
        assert set(namespaces()) - before == {lab.home, lab.router, lab.public}
        raise KeyboardInterrupt
    assert set(namespaces()) == before
    assert sleeper.wait(timeout=5) == -9


def test_the_next_run_removes_what_a_killed_run_left() -> None:
    """A run that was killed cleans up nothing; its namespaces carry its process id."""
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED_RUN],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    left = killed.stdout.strip()
    assert killed.returncode == -9, killed.stderr
    assert left in namespaces()
    with nat_lab():
        assert left not in namespaces()
