"""A Python function as a service: `handle(payload, caller)`, plain or async; a generator's values go on to watchers."""

import asyncio
import importlib
import importlib.util
import inspect
import logging
import math
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Final

from core.aio.aside import in_thread
from core.aio.tasks import TaskSet
from core.aio.watched import watched
from core.errors import LocalError, PayloadError, PeerError
from core.kinds.base import Check, Shared
from core.kinds.share import BAD, Share, text_option
from core.kinds.turns import Turns
from core.kinds.values import Broadcast
from core.limits.rate import Backoff
from core.tunnel.stream import ByteStream
from core.values import Caller, JsonValue, Outcome
from core.wire.stream_opening import Opening, pack_details

GROUP: Final = "grapevine.services"  # entry points of installed packages
FAILED: Final = "ERR_HANDLER"  # the function raised; its owner's log has the story
AT_ONCE: Final = 32  # plain functions of one share that run in threads at a time: 64 KB each, on Linux
HELD_UP: Final = 0.1  # seconds of one step of an async function after which its owner is told: others notice it
TELL_EVERY: Final = 60.0  # seconds
WAITING: Final = 256  # requests of one host that wait for their turn, as one program asks at once; more are refused

_log = logging.getLogger(__name__)


class PythonService(Shared):
    """Options: `target`, `./file.py:name`, `package.module:name`, or the name of an entry point.

    A function gets the payload and, if it takes two arguments, a `core.values.Caller`; what it returns is the answer.
    It raises `core.errors.PayloadError` for a payload that it does not take: that sentence goes to the caller, and of
    any other error only that there was one. A generator function without arguments makes values that go on; an
    asynchronous one that takes `(body, details)` answers a stream of bytes, which `body` brings in pieces, by one.
    """

    kind: ClassVar[str] = "python"
    options: ClassVar[frozenset[str]] = frozenset({"target"})

    def __init__(self, share: Share) -> None:
        super().__init__(share)
        self._target = text_option(share, "target")
        self._function = load(self._target, share.name)
        self._goes_on = inspect.isasyncgenfunction(self._function) or inspect.isgeneratorfunction(self._function)
        self._streams = self._goes_on and len(inspect.signature(self._function).parameters) > 0
        self._takes_caller = not self._goes_on and _arguments(self._function, share.name) >= 2
        self._values = Broadcast()
        self._tasks = TaskSet(f"python {share.name}")
        self._turns = Turns(share.name, AT_ONCE, WAITING)
        self._told_at = -math.inf

    @property
    def description(self) -> str:
        """Use the first line of the function's docstring, which its author wrote for others."""
        said = inspect.getdoc(self._function) or ""
        return said.partition("\n")[0][:120] or "a Python function"

    @property
    def takes_streams(self) -> bool:
        """Whether it is a generator: its values are a stream."""
        return self._goes_on

    async def start(self) -> None:
        """Begin to make values."""
        if self._goes_on and not self._streams:
            self._tasks.spawn(self._make_forever(), name=f"make values of {self.name}")

    async def aclose(self) -> None:
        """End it."""
        await self._tasks.aclose()

    async def check(self) -> Check:
        """Say that it is loaded."""
        return Check(True, f"{self._target} is loaded.")

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Call the function, a plain one in a thread: it may take its time."""
        if self._streams:
            return super().handle(payload, caller)
        if self._goes_on:
            return self._values.newest(self.name)
        self._turns.check(caller)
        return self._counted(payload, caller)

    async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
        """Send the newest value and every further one."""
        if self._streams:
            return await self._answer_stream(stream, opening)
        if not self._goes_on:
            return await super().serve(stream, opening, caller)
        stream.accept(pack_details({"k": "values"}))
        return await self._values.send_to(stream)

    async def _answer_stream(self, stream: ByteStream, opening: Opening) -> None:
        stream.accept(pack_details({"k": "stream"}))
        try:
            async with aclosing(self._function(_pieces(stream), opening.details)) as answer:
                async for piece in answer:
                    await stream.write(piece)
        except PeerError:
            raise
        except Exception:
            _log.exception("%s failed", self.name)
            raise LocalError(f"{self.name} failed on this stream", name=FAILED) from None
        stream.end()
        while await stream.read():
            pass  # what it did not want to know
        await stream.wait_over()

    async def _counted(self, payload: JsonValue, caller: Caller) -> JsonValue:
        with self._turns.counted(caller):
            return await self._call(payload, caller)

    async def _call(self, payload: JsonValue, caller: Caller) -> JsonValue:
        arguments = (payload, caller) if self._takes_caller else (payload,)
        try:
            if inspect.iscoroutinefunction(self._function):
                result = await watched(self._function(*arguments), self._stood_still)
            else:
                result = await self._in_thread(arguments, caller)
                if inspect.isawaitable(result):
                    result = await result
        except (LocalError, PayloadError):
            raise
        except (Exception, SystemExit, KeyboardInterrupt):  # `sys.exit` there must not end the peer
            _log.exception("%s failed", self.name)
            raise LocalError(f"{self.name} failed on this request", name=FAILED) from None
        return _checked(result, self.name)

    def _stood_still(self, seconds: float) -> None:
        """Hear for how long one step of the function held everything up; say so, once a minute at most."""
        if seconds < HELD_UP:
            return
        now = asyncio.get_running_loop().time()
        if now >= self._told_at + TELL_EVERY:
            self._told_at = now
            _log.warning(
                "%s held up the whole peer for %.1f s: an async function has to await what takes long; "
                "a plain function (def) runs in a thread",
                self.name, seconds,
            )  # fmt: skip

    async def _in_thread(self, arguments: tuple[object, ...], caller: Caller) -> object:
        """Call a plain function. One that never returns keeps its thread and its place, and holds up nothing else."""
        await self._turns.wait(caller)
        returned = in_thread(lambda: _called(self._function, arguments))
        returned.add_done_callback(lambda _: self._turns.give(caller))
        return await asyncio.shield(returned)

    async def _make_forever(self) -> None:
        backoff = Backoff(1.0, 60.0)
        while True:
            try:
                async for value in self._iterate():
                    self._values.put(_checked(value, self.name))
                    backoff.succeeded()
            except Exception:
                _log.exception("%s failed", self.name)
            await asyncio.sleep(backoff.failed())

    async def _iterate(self) -> AsyncIterator[object]:
        made = self._function()
        if inspect.isasyncgen(made):
            async for value in made:
                yield value
            return
        end = object()
        while (value := await in_thread(lambda: next(made, end))) is not end:  # of its own: it may sleep for long
            yield value


async def _pieces(stream: ByteStream) -> AsyncIterator[bytes]:
    while piece := await stream.read():
        yield piece


def _called(function: Callable[..., Any], arguments: tuple[object, ...]) -> object:
    try:
        return function(*arguments)
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the function wants to end the program: {error!r}") from None


def load(target: str, name: str) -> Callable[..., Any]:
    """Return the function that a target names. Raises LocalError (ERR_SHARE) that says what is missing."""
    import ssl  # noqa: F401 - the command line leaves it out (core/cli/openssl.py): a function may need it

    try:
        found = _entry_point(target) if ":" not in target else _named(target)
    except LocalError:
        raise
    except Exception as error:  # whatever that module raises while it is loaded
        raise LocalError(f"{name}: {target} cannot be loaded: {error!r}", name=BAD) from None
    if not callable(found):
        raise LocalError(f"{name}: {target} is no function", name=BAD)
    return found


def _entry_point(target: str) -> object:
    for found in entry_points(group=GROUP):
        if found.name == target:
            return found.load()
    raise LocalError(f"there is no entry point {target!r} of {GROUP}; a file is named as ./file.py:handle", name=BAD)


def _named(target: str) -> object:
    where, _, attribute = target.rpartition(":")
    module = _file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    found: object = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise LocalError(f"{where} has no {attribute!r}", name=BAD)
    return found


def _file(path: Path) -> object:
    path = path.expanduser().resolve()
    if not path.is_file():
        raise LocalError(f"there is no file {path}", name=BAD)
    spec = importlib.util.spec_from_file_location(f"grapevine_share_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise LocalError(f"{path} is no Python file", name=BAD)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _arguments(function: Callable[..., Any], name: str) -> int:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return 1
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 2
    if not positional:
        raise LocalError(f"{name}: the function takes no payload: write it as handle(payload, caller)", name=BAD)
    return len(positional)


def _checked(value: object, name: str) -> JsonValue:
    """Return a value that JSON can carry. Raises LocalError."""
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_checked(each, name) for each in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {str(key): _checked(each, name) for key, each in value.items()}
    raise LocalError(f"{name} answered with a {type(value).__name__}, which JSON cannot carry", name=FAILED)
