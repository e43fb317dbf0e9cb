"""The Python blocks of docs/library.md are run as they stand there."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from core.kinds.share import Share
from core.peer import Peer
from tests.peer.test_by_id import published
from tests.peer.test_shares import echo, two
from tests.secure.sides import ANNA, BERT
from tests.support.tools import ROOT

pytestmark = pytest.mark.asyncio

Run = Callable[..., Coroutine[Any, Any, None]]


def functions() -> dict[str, Run]:
    """Return the functions that the page defines, by name."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs/library.md").read_text(), re.DOTALL):
        exec(block, names)
    return {name: value for name, value in names.items() if asyncio.iscoroutinefunction(value)}


async def test_a_peer_opens_shares_and_lets_a_friend_in() -> None:
    page = functions()
    assert set(page) == {"main", "share_some", "use_some", "let_in"}
    await page["main"]()
    async with two() as (bert, _, _, _):
        await page["share_some"](bert)
        assert [share.name for share in bert.shares()] == ["garden"]
        await page["let_in"](bert, ANNA.peer_id)
        assert [known.services for known in bert.known_peers()] == [frozenset({"garden"})]


async def test_a_friend_uses_what_is_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thermo.py").write_text("def handle(payload, caller):\n    return 21\n")

    async def share(peer: Peer, port: int) -> None:
        await peer.add_share(Share("ssh", "tcp", {"target": str(port)}))
        await peer.add_share(Share("thermo", "python", {"target": f"{tmp_path / 'thermo.py'}:handle"}))

    async with echo() as port, two() as (bert, _, anna, url):
        await share(bert, port)
        await published(url, BERT)
        await functions()["use_some"](anna, BERT.peer_id)
    printed = capsys.readouterr().out
    assert "ssh tcp" in printed
    assert "21 0." in printed
    assert "b'hello'" in printed
