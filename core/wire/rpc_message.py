"""RPC messages (PROTOCOL section 6): JSON lists on a byte stream, with no framing at all.

A request is `["rid","key",payload]`; a reply is `["rid",null,result]` or `["rid","ERR_X",null]`. An error reply and a
request without payload look the same: the side that connected receives replies only, the side that accepted requests
only, and says so by `Expect`.

How a reader finds its way back. Each piece fed is one packet, and a plain Grenache peer puts one message in a packet
and parses each packet by itself. So:
- while what has come can still become a value, it is one, however it is split: that is what splitting means;
- what begins with neither `[` nor `{`, or stops being JSON, is dropped with the rest of the packet that it began in;
- a value begun in an *earlier* packet that stops being JSON is dropped, and the packet that shows it is read again from
  its start, as a packet of its own, once. So after a message cut short the next packet, or in the worst case the one
  after that, is understood, and every byte is looked at twice at most.
- a complete value that is no message (wrong shape, not UTF-8, a number out of range) costs only itself.

Big messages would hold up everything else for up to half a second, so they can be written by `..._steps`, and a reader
that says so gets them as `Large`, to be read in steps. A step is a few milliseconds at the worst.
"""

import enum
import io
import re
from collections.abc import Generator
from dataclasses import field
from typing import Final, TypeAlias

from core.errors import LocalError
from core.frozen import dataclass, quick
from core.values import Buffer, JsonValue
from core.wire.json_dump import brackets, count_containers, dump, dump_steps, weight
from core.wire.json_load import load, load_from, load_steps
from core.wire.json_scan import InvalidJson, OverLimit, Scanner, skip_space

MAX_BYTES: Final = 16 * 1024 * 1024  # of one message; two fibonacci replies of the largest length (10 MB) would not fit
MAX_DEPTH: Final = 128  # containers in one another; serde_json's default, far below what Python's parser can take
MAX_CONTAINERS: Final = 200_000  # lists and objects of one message: 15 MB of memory, and 20 ms of garbage collection
LARGE: Final = 64 * 1024  # bytes; below, one call of the json module takes 3.5 ms at the worst (2 GHz)
_AT_ONCE: Final = 16 * 1024  # bytes of a piece that is read without scanning it first; more than most packets have
_RID_BYTES: Final = 256  # at the beginning of a request, within which its id ends
_BEGINNING: Final = re.compile(rb'\s*\[\s*"([ !#-\[\]-~]{1,128})"\s*,')  # an id without escapes, as everybody sends
_BACKSLASH: Final = 0x5C  # as a number: `b"x" in data` first raises an error, which costs 1 % of a request
MAX_RID: Final = 128  # characters; a UUID has 36
MAX_KEY: Final = 1024  # characters; names of services have a few dozen


@quick
class Request:
    """`key` is the service's name, or "ip:port" when the peer was called by address; `size` is bytes, as it came."""

    rid: str
    key: str
    payload: JsonValue
    size: int = field(default=0, compare=False)

    def __init__(self, rid: str, key: str, payload: JsonValue, size: int = 0) -> None:
        self.rid = rid
        self.key = key
        self.payload = payload
        self.size = size


@quick
class Reply:
    """`error` is None when `result` is one."""

    rid: str
    error: str | None
    result: JsonValue

    def __init__(self, rid: str, error: str | None, result: JsonValue) -> None:
        self.rid = rid
        self.error = error
        self.result = result


@dataclass(frozen=True, slots=True)
class Malformed:
    """`count` values in a row were no messages, for one reason; after a `fatal` one the stream cannot be read on.

    `rid`: of a request that is too long, if that much could be read.
    """

    reason: str
    count: int = 1
    fatal: bool = False
    rid: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Large:
    """A whole value that is yet to be read, with `Decoder.read_steps`."""

    data: bytearray = field(repr=False)


Message: TypeAlias = Request | Reply | Malformed | Large


class Expect(enum.Enum):
    """Which messages can come. ANY tells an error reply from a request by its ERR_ and its null."""

    ANY = enum.auto()
    REQUESTS = enum.auto()
    REPLIES = enum.auto()


def is_large(value: object) -> bool:
    """Return whether a payload or result should be encoded in steps; looks only at as much of it as decides that."""
    return weight(value, LARGE) > LARGE


def encode_request(rid: str, key: str, payload: object, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a request. Raises LocalError: ERR_MESSAGE_ENCODE for what is no JSON, ERR_MESSAGE_SIZE."""
    _check_request(rid, key)
    return _encode([rid, key, payload], max_bytes)


def encode_request_steps(
    rid: str, key: str, payload: object, *, max_bytes: int = MAX_BYTES
) -> Generator[None, None, bytes]:
    """Do as `encode_request` does, in steps."""
    _check_request(rid, key)
    return _encode_steps([rid, key, payload], max_bytes)


def encode_result(rid: str, result: object, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a reply that says yes. Raises as `encode_request` does."""
    return _encode([rid, None, result], max_bytes)


def encode_result_steps(rid: str, result: object, *, max_bytes: int = MAX_BYTES) -> Generator[None, None, bytes]:
    """Do as `encode_result` does, in steps."""
    return _encode_steps([rid, None, result], max_bytes)


def encode_error(rid: str, error: str) -> bytes:
    """Return the bytes of a reply that says no; `error` is never empty on the wire, since empty means none there."""
    return _encode([rid, error.encode(errors="replace").decode() or "ERR_GENERIC", None], MAX_BYTES)


def _check_request(rid: str, key: str) -> None:
    if not 0 < len(rid) <= MAX_RID:
        raise LocalError(f"a request id has 1 to {MAX_RID} characters", name="ERR_MESSAGE_ENCODE")
    if len(key) > MAX_KEY:
        raise LocalError(f"a request's key has at most {MAX_KEY} characters", name="ERR_MESSAGE_ENCODE")


# What json and OverLimit refuse: NaN, infinities, half surrogates, circles, more than 4,300 digits; what is no JSON
# type; too deep. And a dict that somebody changes between two steps.
_UNSENDABLE: Final = (ValueError, TypeError, RecursionError, OverLimit, RuntimeError)


def _encode(message: object, max_bytes: int) -> bytes:
    try:
        text = dump(message, MAX_DEPTH)
        data = text.encode()
        if len(text) > MAX_CONTAINERS and brackets(text) > MAX_CONTAINERS:
            for _ in _check_containers(message):
                pass
    except _UNSENDABLE as error:
        raise _unsendable(error) from error
    if len(data) > max_bytes:
        raise _too_large(f"{len(data):,}", max_bytes)
    return data


def _encode_steps(message: object, max_bytes: int) -> Generator[None, None, bytes]:
    data = io.BytesIO()  # gives away its bytes without a copy, which would take 3 ms for 10 MB
    containers = 0
    try:
        for text in dump_steps(message, MAX_DEPTH):
            data.write(text.encode())
            containers += brackets(text)
            if data.tell() > max_bytes:
                raise _too_large(f"over {max_bytes:,}", max_bytes)
            yield
        if containers > MAX_CONTAINERS:
            yield from _check_containers(message)
    except _UNSENDABLE as error:
        raise _unsendable(error) from error
    return data.getvalue()


def _check_containers(message: object) -> Generator[None, None, None]:
    if (yield from count_containers(message)) > MAX_CONTAINERS:
        raise OverLimit(f"there are more than {MAX_CONTAINERS:,} lists and objects")


def _unsendable(error: Exception) -> LocalError:
    return LocalError(f"this cannot be sent as JSON: {error}", name="ERR_MESSAGE_ENCODE")


def _too_large(size: str, max_bytes: int) -> LocalError:
    return LocalError(f"a message of {size} bytes is over the limit of {max_bytes:,}", name="ERR_MESSAGE_SIZE")


class Decoder:
    """Reads messages from a stream's pieces, however they are joined or split; see the module for bad ones.

    Keeps at most one unfinished value of `max_bytes`. Never raises for what came.
    """

    def __init__(
        self,
        max_bytes: int = MAX_BYTES,
        max_depth: int = MAX_DEPTH,
        *,
        expect: Expect = Expect.ANY,
        large: int | None = None,
    ) -> None:
        """Values of more than `large` bytes are returned as `Large`; None: never."""
        self.max_bytes = max_bytes  # of a value; it may be changed at any time
        self.held = 0  # bytes of the unfinished value that are kept
        self._expect = expect
        self._large = max_bytes if large is None else large
        self._at_once = min(_AT_ONCE, self._large, max_bytes)
        self._depth = max_depth
        self._scanner = Scanner(max_depth, MAX_CONTAINERS)
        self._value = bytearray()  # what came of an unfinished value
        self._inside = False
        self._broken = False
        self.malformed = 0  # values and packets that were none

    @property
    def scanned(self) -> int:
        """Bytes that the scanner looked at so far: at most twice what was fed."""
        return self._scanner.scanned

    @property
    def unfinished(self) -> bool:
        """Whether a value has begun and not ended."""
        return self._inside

    def feed(self, chunk: Buffer) -> list[Message]:
        """Take one packet's bytes; return the messages it completes. Returns nothing more after a fatal Malformed."""
        data = bytes(chunk)
        found: list[Message] = []
        at, retry = 0, self._inside
        while at < len(data) and not self._broken:
            if not self._inside:
                at = self._take_whole(data, at, found)
                if at == len(data) or (at := skip_space(data, at)) == len(data):
                    break
                if data[at] not in b"[{":
                    self._report(found, "what came is no JSON list")
                    break
                self._begin()
            try:
                end = self._scanner.scan(data, at)
            except InvalidJson as error:
                self._report(found, str(error))
                self._inside, self._value = False, bytearray()
                if not retry:
                    break
                at, retry = 0, False
                continue
            except OverLimit as over:
                self._fail(found, str(over))
                break
            at = self._take(data, at, end, found)
            retry = retry and self._inside
        self.held = len(self._value)
        return found

    def give_up(self) -> str:
        """Forget the unfinished value, and read nothing more; return the id of its request if it can be read."""
        rid = _rid(self._value)
        self._broken, self._inside, self._value, self.held = True, False, bytearray(), 0
        return rid

    def _take_whole(self, data: bytes, at: int, found: list[Message]) -> int:
        """Read the messages that are whole, one after the other, without scanning: it takes a fifth of the time.

        Return where they end: behind it is nothing, or what the scanner must judge.
        """
        if len(data) - at > self._at_once or (
            _BACKSLASH in data
            and b"\\u" in data  # which may be half a surrogate; one byte is found much sooner than two
        ):
            return at
        try:
            text = data[at:].decode()
            start, size = 0, len(text)
            while start < size and text[start] in "[{":
                value, end = load_from(text, start)
                shallow = end - start <= self._depth or self._is_shallow(text, start, end)
                length = end - start if text.isascii() else len(text[start:end].encode())
                message = _message(value, self._expect, length) if shallow else None
                if message is None:
                    break
                found.append(message)
                at += length
                start = end
        except (ValueError, RecursionError):
            pass
        return at

    def _is_shallow(self, text: str, start: int, end: int) -> bool:
        return text.count("[", start, end) + text.count("{", start, end) <= self._depth

    def _begin(self) -> None:
        self._scanner.start()
        self._value.clear()
        self._inside = True

    def _take(self, data: bytes, at: int, end: int, found: list[Message]) -> int:
        """Keep, or finish, the value whose next bytes are `data[at:end]`; return `end`."""
        size = len(self._value) + end - at
        if size > self.max_bytes:
            rid = _rid(self._value or data[at : at + _RID_BYTES])
            self._fail(found, f"a message is over the limit of {self.max_bytes:,} bytes", rid)
        elif not self._scanner.done:
            self._value += data[at:end]
        else:
            self._inside = False
            if self._value or size > self._large:
                self._value += data[at:end]
                whole, self._value = self._value, bytearray()  # not clear(): gives a large buffer back
                found.append(Large(whole)) if size > self._large else self._finish(whole, found)
            else:
                self._finish(data[at:end], found)
        return end

    def read_steps(self, large: Large) -> Generator[None, None, Request | Reply | Malformed]:
        """Read a value that `feed` returned, in steps."""
        size = len(large.data)
        try:
            message = _message((yield from load_steps(large.data)), self._expect, size)
        except ValueError as error:
            self.malformed += 1
            return Malformed(_unreadable(error))
        if message is None:
            self.malformed += 1
            return Malformed(_WRONG_SHAPE)
        return message

    def _finish(self, whole: bytes | bytearray, found: list[Message]) -> None:
        try:
            value = load(whole)
        except (ValueError, RecursionError) as error:
            self._report(found, _unreadable(error))
        else:
            message = _message(value, self._expect, len(whole))
            if message is None:
                self._report(found, _WRONG_SHAPE)
            else:
                found.append(message)

    def _report(self, found: list[Message], reason: str) -> None:
        self.malformed += 1
        last = found[-1] if found else None
        if isinstance(last, Malformed) and last.reason == reason:  # so that `[][][]...` costs no memory
            found[-1] = Malformed(reason, last.count + 1)
        else:
            found.append(Malformed(reason))

    def _fail(self, found: list[Message], reason: str, rid: str = "") -> None:
        self.malformed += 1
        self._broken, self._inside, self._value = True, False, bytearray()
        found.append(Malformed(reason, fatal=True, rid=rid))


def _rid(value: Buffer) -> str:
    """Return the id with which a request begins, "" when it cannot be told."""
    found = _BEGINNING.match(bytes(value[:_RID_BYTES]))
    return found[1].decode() if found else ""


_WRONG_SHAPE: Final = "a value is no message: its shape is another"


def _unreadable(error: ValueError | RecursionError) -> str:
    match error:
        case UnicodeDecodeError():
            return "a message is not UTF-8"
        case RecursionError():
            return "a message is nested too deeply"
    return "a message contains a number out of range"  # more than 4,300 digits; an exponent beyond a float's


def _message(value: JsonValue, expect: Expect, size: int) -> Request | Reply | None:
    if not isinstance(value, list) or len(value) != 3:
        return None
    rid, second, third = value
    if not isinstance(rid, str) or not 0 < len(rid) <= MAX_RID:
        return None
    if second is None or second == "":  # a Node peer asks whether the error is "falsy"
        return None if expect is Expect.REQUESTS else Reply(rid, None, third)
    if not isinstance(second, str):
        return None
    if expect is Expect.REPLIES or (expect is Expect.ANY and third is None and second.startswith("ERR_")):
        return Reply(rid, second, None)
    return Request(rid, second, third, size) if len(second) <= MAX_KEY else None
