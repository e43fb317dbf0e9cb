"""Byte streams that come in: each opening is a call, admitted, counted and written down as any other request."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from core.aio.tasks import TaskSet
from core.errors import LocalError, PeerError, RemoteError
from core.limits import bounds
from core.limits.budget import Budget, BudgetState
from core.rpc.memory import Owner
from core.services.service import Service
from core.serving.call import Call
from core.serving.handler import Handler
from core.tunnel.stream import ByteStream
from core.values import Caller, JsonValue
from core.wire.stream_frame import Reason
from core.wire.stream_opening import LIST, RESERVED, Opening, parse_opening

_log = logging.getLogger(__name__)

# Serves a stream for a reserved name, to anybody: it judges its caller itself. Raises PeerError, as a service does.
Reserved: TypeAlias = Callable[[ByteStream, Opening], Awaitable[None]]


class Openings:
    """Hands each stream that another peer opens to the service that it is for."""

    def __init__(self, handler: Handler, reserved: Mapping[str, Reserved] | None = None) -> None:
        """`reserved`: what serves the names of `RESERVED` other than `LIST`, which is served here."""
        self._handler = handler
        self._reserved = dict(reserved or {})
        if not RESERVED - {LIST} >= self._reserved.keys():
            raise ValueError("a name that is not reserved belongs to a share")
        self._tasks = TaskSet("streams served")
        self._places = Budget[Owner](
            bounds.STREAMS, bounds.STREAMS_HOST, kept=bounds.STREAMS_KEPT, per_trusted=bounds.STREAMS_TRUSTED
        )
        self.open: dict[ByteStream, Call] = {}  # those that a service works on

    async def aclose(self) -> None:
        """Give up all streams."""
        await self._tasks.aclose()

    def on_opening(self, stream: ByteStream, transport: str = "utp") -> None:
        """Take a stream that the other side opens; what is refused is so at once, without a task."""
        caller = Caller(stream.remote, stream.peer_id)
        standing = self._handler.standing(caller)
        if not self._places.take(standing.owner, 1, trusted=standing.trusted):
            stream.refuse(Reason("ERR_RATE_LIMITED", "too many of your streams are open here: close some, or wait"))
            return
        served = self._begin(stream, caller, transport)
        if served is None:
            self._places.give(standing.owner, 1)
        else:
            self._tasks.spawn(
                self._serve_in_place(stream, served, standing.owner), name=f"serve a stream of {stream.remote}"
            )

    def budget(self) -> tuple[str, BudgetState]:
        """Return how many streams are served of how many, by how many callers, and how often there was no place."""
        return "streams", self._places.state()

    def _begin(self, stream: ByteStream, caller: Caller, transport: str) -> "_Served | None":
        """Return what serves a stream; None: it was refused, which is counted and written down."""
        try:
            opening = parse_opening(stream.payload)
        except RemoteError as failure:
            stream.refuse(Reason(failure.name, str(failure)))
            return None
        call = self._handler.receive_stream(opening.service, caller, len(stream.payload), transport)
        began = asyncio.get_running_loop().time()
        try:
            if opening.service == LIST:
                return _Served(call, self._list(stream, self._handler.offered_to(call)), began)
            reserved = self._reserved.get(opening.service)
            if reserved is not None:
                self._handler.take(call)
                return _Served(call, reserved(stream, opening), began)
            served = self._handler.open_stream(call, stream, opening)
        except PeerError as failure:
            self._end(stream, call, began, _give_up(stream, failure))
            return None
        except Exception:
            _log.exception("a stream of %s failed", call.name)
            self._end(stream, call, began, _give_up(stream, LocalError("the service failed", name="ERR_INTERNAL")))
            return None
        self.open[stream] = call
        return _Served(call, served, began)

    async def _serve_in_place(self, stream: ByteStream, served: "_Served", owner: Owner) -> None:
        error: str | None = None
        try:
            await served.work
        except PeerError as failure:
            error = _give_up(stream, failure)
        except Exception:
            _log.exception("a stream of %s failed", served.call.name)
            error = _give_up(stream, LocalError("the service failed", name="ERR_INTERNAL"))
        finally:
            self.open.pop(stream, None)
            self._places.give(owner, 1)
            self._end(stream, served.call, served.began, error)

    def _end(self, stream: ByteStream, call: Call, began: float, error: str | None) -> None:
        stream.reset()  # without effect when it is over
        call.received += stream.bytes_received
        call.ended(asyncio.get_running_loop().time() - began, error, stream.bytes_sent)

    async def _list(self, stream: ByteStream, services: Sequence[Service]) -> None:
        """Say which services this caller may use, and nothing of the others."""
        offered: list[JsonValue] = [
            {"name": each.name, "kind": getattr(each, "kind", "json"), "description": each.description}
            for each in services
        ]
        stream.accept()
        await stream.write(json.dumps(offered, ensure_ascii=False).encode(errors="replace"))
        stream.end()
        await stream.wait_over()


class _Served(NamedTuple):
    call: Call
    work: Awaitable[None]
    began: float  # seconds, the loop's


def _give_up(stream: ByteStream, failure: PeerError) -> str:
    """End a stream with what may be told of a failure; return that as it is written down."""
    told = isinstance(failure, LocalError)  # as an RPC server has it: another peer's words are not for a caller
    reason = Reason(failure.name, str(failure) if told else "the service failed")
    stream.refuse(reason)
    return f"{reason.name}: {reason.message}"
