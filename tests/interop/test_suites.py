"""The public packages' own test suites, as they are, around our grape: as many green as around Node's."""

import re
import sys

import pytest

from tests.support.process import running
from tests.support.tools import INTEROP, ROOT

pytestmark = [pytest.mark.interop, pytest.mark.asyncio, pytest.mark.slow]

SUITES = {"http": 30, "link": 5, "ws": 2}  # tests in each; all of them are green around Node's grape


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("grape", ["our", "node"])
async def test_their_own_tests_are_green(name: str, grape: str) -> None:
    """They use the customary ports, which are free where tests are sealed."""
    package = INTEROP / "node_modules" / f"grenache-nodejs-{name}"
    mocha = ["node", str(INTEROP / "node_modules" / "mocha" / "bin" / "mocha.js"), "--exit", "--timeout", "30000"]
    ours = ["-r", str(INTEROP / "our_grape.js")] if grape == "our" else []
    env = {"GRAPEVINE_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    async with running(f"suite of {name}", [*mocha, *ours, "test"], env=env, cwd=package) as program:
        status = await program.wait(timeout=300)
        said = "\n".join(str(event.get("line", "")) for event in program.events)
    assert status == 0, said + program.stderr
    assert re.search(rf"\b{SUITES[name]} passing", said), said
