"""Byte streams that come in: each opening is a call, admitted, counted and written down as any other request."""

import asyncio
import json
import logging
from typing import Protocol

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError, RemoteError
from core.limits import bounds
from core.limits.budget import Budget, BudgetState
from core.rpc.memory import Owner
from core.serving.call import Call
from core.serving.handler import Handler
from core.tunnel.stream import ByteStream
from core.values import Caller, JsonValue
from core.wire.stream_frame import Reason
from core.wire.stream_opening import LIST, Opening, parse_opening

_log = logging.getLogger(__name__)


class Offered(Protocol):
    """What is said of a service to somebody who may use it."""

    name: str
    kind: str
    description: str


class Openings:
    """Hands each stream that another peer opens to the service that it is for."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._tasks = TaskSet("streams served")
        self._places = Budget[Owner](
            bounds.STREAMS, bounds.STREAMS_HOST, kept=bounds.STREAMS_KEPT, per_trusted=bounds.STREAMS_TRUSTED
        )
        self.open: dict[ByteStream, Call] = {}  # those that a service works on

    async def aclose(self) -> None:
        """Give up all streams."""
        await self._tasks.aclose()

    def on_opening(self, stream: ByteStream) -> None:
        """Take a stream that the other side opens."""
        standing = self._handler.standing(Caller(stream.remote, stream.peer_id))
        if not self._places.take(standing.owner, 1, trusted=standing.trusted):
            stream.refuse(Reason("ERR_RATE_LIMITED", "too many of your streams are open here: close some, or wait"))
            return
        self._tasks.spawn(self._serve_in_place(stream, standing.owner), name=f"serve a stream of {stream.remote}")

    def budget(self) -> tuple[str, BudgetState]:
        """Return how many streams are served of how many, by how many callers, and how often there was no place."""
        return "streams", self._places.state()

    async def _serve_in_place(self, stream: ByteStream, owner: Owner) -> None:
        try:
            await self._serve(stream)
        finally:
            self._places.give(owner, 1)

    async def _serve(self, stream: ByteStream) -> None:
        began = asyncio.get_running_loop().time()
        caller = Caller(stream.remote, stream.peer_id)
        error: str | None = None
        try:
            opening = parse_opening(stream.payload)
        except RemoteError as failure:
            stream.refuse(Reason(failure.name, str(failure)))
            return
        call = self._handler.receive_stream(opening.service, caller, len(stream.payload))
        try:
            await self._answer(call, stream, opening)
        except PeerError as failure:
            told = isinstance(failure, LocalError)  # as an RPC server has it: another peer's words are not for a caller
            reason = Reason(failure.name, str(failure) if told else "the service failed")
            error = f"{reason.name}: {reason.message}"
            stream.refuse(reason)
        except Exception:
            _log.exception("a stream of %s failed", call.name)
            error = "ERR_INTERNAL: the service failed"
            stream.refuse(Reason("ERR_INTERNAL", "the service failed"))
        finally:
            self.open.pop(stream, None)
            stream.reset()  # without effect when it is over
            call.received += stream.bytes_received
            call.ended(asyncio.get_running_loop().time() - began, error, stream.bytes_sent)

    async def _answer(self, call: Call, stream: ByteStream, opening: Opening) -> None:
        if opening.service == LIST:
            await self._list(stream, call)
            return
        served = self._handler.open_stream(call, stream, opening)
        self.open[stream] = call
        await served

    async def _list(self, stream: ByteStream, call: Call) -> None:
        """Say which services this caller may use, and nothing of the others."""
        offered: list[JsonValue] = [
            {"name": each.name, "kind": getattr(each, "kind", "json"), "description": each.description}
            for each in self._handler.offered_to(call)
        ]
        stream.accept()
        await stream.write(json.dumps(offered, ensure_ascii=False).encode(errors="replace"))
        stream.end()
        await stream.wait_over()
