"""A share is looked at before it is shared: without starting anything, and in words."""

import asyncio
from pathlib import Path

import pytest

from core.kinds.preview import FILE_THERE, PROGRAM_THERE, look_at
from core.kinds.share import Share

pytestmark = pytest.mark.asyncio


async def test_a_port_that_answers_and_one_that_does_not_yet() -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    there = await look_at(Share("x", "tcp", {"target": str(port)}))
    assert (there.possible, there.ok, there.sentence) == (True, True, f"Something answers on 127.0.0.1:{port}.")
    server.close()
    await server.wait_closed()
    later = await look_at(Share("x", "tcp", {"target": str(port)}))
    assert (later.possible, later.ok) == (True, False)  # it may be started after it is shared


async def test_what_cannot_be_shared_is_said_without_the_shares_name() -> None:
    look = await look_at(Share("x", "tcp", {"target": ""}))
    assert not look.possible
    assert look.sentence.startswith("A tcp share needs 'target'")
    assert not (await look_at(Share("x", "folder", {"path": "/nowhere/at/all"}))).possible


async def test_the_whole_disk_and_ssh_are_warned_of() -> None:
    assert "whole disk" in (await look_at(Share("x", "folder", {"path": "/"}))).warnings[0]
    assert "SSH" in (await look_at(Share("x", "tcp", {"target": "22"}))).warnings[0]
    assert "Home Assistant" in (await look_at(Share("x", "http", {"target": "8123"}))).warnings[0]


async def test_no_program_and_no_function_is_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    file = tmp_path / "garden.py"
    file.write_text(f"open({str(ran)!r}, 'w')\ndef handle(payload): return 1\n")
    assert (await look_at(Share("x", "python", {"target": f"{file}:handle"}))).sentence == FILE_THERE
    assert not (await look_at(Share("x", "python", {"target": f"{file}:not a name"}))).possible
    assert not (await look_at(Share("x", "python", {"target": f"{file}x.py:handle"}))).possible
    for kind in ("values", "json"):
        look = await look_at(Share("x", kind, {"command": f"touch {ran}"}))
        assert (look.ok, look.sentence) == (True, PROGRAM_THERE)
        assert not (await look_at(Share("x", kind, {"command": "no-such-program-anywhere"}))).possible
    assert not ran.exists()
