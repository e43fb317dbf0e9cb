"""Starting the two kinds of peer, and what the kernel says about their processes."""

import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.our_peer import has_batching
from tests.support.process import Program, running

HERE = Path(__file__).resolve().parent
OURS, NODE, BARE = "ours", "Node", "bare"
PAIRS = ("ours->ours", "ours->Node", "Node->ours", "Node->Node")
"""client->server, or sender->receiver; the last one is what the ratios refer to."""
BASELINE = PAIRS[-1]

PLAIN = "ours->ours, plain"  # a system call per datagram
UVLOOP = "ours->ours, uvloop"
OPTIONS: dict[str, dict[str, object]] = {PLAIN: {"batching": False}, UVLOOP: {"uvloop": True}}

_TICK = os.sysconf("SC_CLK_TCK")  # per second: the unit of CPU time in /proc
_PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes: the unit of memory in /proc/PID/statm


def kinds(pair: str) -> tuple[str, str]:
    """Split "client->server", and what a variant adds after a comma, as in "ours->ours, plain"."""
    client, _, server = pair.split(",")[0].partition("->")
    return client, server


def available(*variants: str) -> tuple[str, ...]:
    """Return those of PLAIN and UVLOOP that this version and environment can do."""
    can = {PLAIN: has_batching(), UVLOOP: importlib.util.find_spec("uvloop") is not None}
    return tuple(variant for variant in variants if can[variant])


@asynccontextmanager
async def peer(kind: str, **options: Any) -> AsyncIterator[Program]:  # noqa: ANN401 - JSON
    """Run a peer of this kind until the block ends; see benchmarks/our_peer.py for the options."""
    text = json.dumps(options)
    command = {
        OURS: [sys.executable, "-m", "benchmarks.our_peer", text],
        BARE: [sys.executable, "-m", "benchmarks.bare_peer", text],
        NODE: ["node", "--expose-gc", str(HERE / "node_peer.js"), text],
    }[kind]
    async with running(f"{kind} {text}", command) as program:
        await program.event("ready")
        yield program


def address(program: Program) -> str:
    """Return where a peer listens."""
    return f"127.0.0.1:{program.events[0]['port']}"


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used, in user and system mode; 0.01 s is the resolution."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICK


def memory(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def children(pid: int) -> list[int]:
    """Return the processes a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
