"""Bulk data between two processes: one stream, several at once, and with and without batching."""

import asyncio
import time
from typing import Any

from benchmarks.peers import BASELINE, OPTIONS, PAIRS, PLAIN, UVLOOP, address, available, cpu_seconds, kinds, peer
from benchmarks.runner import Sample, Settings
from tests.support.process import Program

MEGA = 1_000_000
POLL = 0.02  # seconds between looks at what has arrived; the speed is taken from the receiver's own clock


async def arrived(sink: Program, total: int, seconds: float) -> dict[str, Any]:
    """Wait for `total` bytes, at most `seconds`; return what arrived by then, and when the last of it did."""
    limit = time.monotonic() + seconds
    while True:
        got: dict[str, Any] = await sink.command("received")
        if got["bytes"] >= total or time.monotonic() > limit:
            return got
        await asyncio.sleep(POLL)


class Streams:
    """sender->receiver. A transfer that takes longer than the settings allow is cut off; its speed so far counts."""

    name = "bulk data"
    baseline = BASELINE
    once = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._streams = (1, 8, 100, 1000) if settings.full else (1, 8)

    def variants(self) -> tuple[str, ...]:
        """The four pairs; where possible, ours without batching and ours on uvloop too."""
        return (*PAIRS, *available(PLAIN, UVLOOP))

    async def measure(self, variant: str) -> list[Sample]:
        """Send the same amount over one stream and over several, with fresh processes."""
        samples: list[Sample] = []
        for streams in self._streams:
            samples += await self._one(variant, streams)
        return samples

    async def _one(self, variant: str, streams: int) -> list[Sample]:
        sender_kind, receiver_kind = kinds(variant)
        options = OPTIONS.get(variant, {})
        total = self._settings.megabytes * MEGA // streams * streams
        async with peer(receiver_kind, role="sink", **options) as sink, peer(sender_kind, **options) as source:
            used = cpu_seconds(sink.pid) + cpu_seconds(source.pid)
            order = await source.command("pour", address=address(sink), bytes=total, streams=streams)
            got = await arrived(sink, total, self._settings.transfer_seconds)
            used = cpu_seconds(sink.pid) + cpu_seconds(source.pid) - used
        if not got["bytes"]:
            raise RuntimeError(f"nothing arrived over {streams} streams")
        row = "1 stream" if streams == 1 else f"{streams} streams"
        return [
            Sample(row, "speed", got["bytes"] / MEGA / ((got["last"] - order["began"]) / 1e9)),
            Sample(row, "cpu", used * 1000 / (got["bytes"] / MEGA)),
        ]
