"""RPC messages (PROTOCOL section 6): JSON lists on a byte stream, with no framing at all.

A request is `["rid","key",payload]`; a reply is `["rid",null,result]` or `["rid","ERR_X",null]`. An error reply and a
request without payload look the same: whoever made the connection receives replies only, whoever accepted it requests
only, and says so by `Expect`.

How a reader finds its way back. Each piece fed is one packet, and a plain Grenache peer puts one message in a packet
and parses each packet by itself. So:
- while what has come can still become a value, it is one, however it is split: that is what splitting means;
- what begins with neither `[` nor `{`, or stops being JSON, is dropped with the rest of the packet that it began in;
- a value begun in an *earlier* packet that stops being JSON is dropped, and the packet that shows it is read again from
  its start, as a packet of its own, once. So after a message cut short the next packet, or in the worst case the one
  after that, is understood, and every byte is looked at no more than twice.
- a complete value that is no message (wrong shape, not UTF-8, a number out of range) costs only itself.
"""

import enum
import json
import math
from dataclasses import dataclass
from typing import Final, TypeAlias

from core.errors import LocalError
from core.values import Buffer, JsonValue
from core.wire.json_scan import InvalidJson, Scanner, TooDeep, skip_space

MAX_BYTES: Final = 16 * 1024 * 1024  # of one message; two fibonacci replies of the largest length (10 MB) would not fit
MAX_DEPTH: Final = 128  # containers in one another; serde_json's default, far below what Python's parser can take
MAX_RID: Final = 128  # characters; a UUID has 36
MAX_KEY: Final = 1024  # characters; names of services have a few dozen


@dataclass(frozen=True, slots=True)
class Request:
    """`key` is the service's name, or "ip:port" when the peer was called by address."""

    rid: str
    key: str
    payload: JsonValue


@dataclass(frozen=True, slots=True)
class Reply:
    """`error` is None when `result` is one."""

    rid: str
    error: str | None
    result: JsonValue


@dataclass(frozen=True, slots=True)
class Malformed:
    """`count` values in a row were no messages, for one reason; after a `fatal` one the stream cannot be read on."""

    reason: str
    count: int = 1
    fatal: bool = False


Message: TypeAlias = Request | Reply | Malformed


class Expect(enum.Enum):
    """Which messages can come. ANY tells an error reply from a request by its ERR_ and its null."""

    ANY = enum.auto()
    REQUESTS = enum.auto()
    REPLIES = enum.auto()


def encode_request(rid: str, key: str, payload: JsonValue, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a request. Raises LocalError: ERR_MESSAGE_ENCODE for what is no JSON, ERR_MESSAGE_SIZE."""
    if not 0 < len(rid) <= MAX_RID:
        raise LocalError(f"a request id has 1 to {MAX_RID} characters", name="ERR_MESSAGE_ENCODE")
    if len(key) > MAX_KEY:
        raise LocalError(f"a request's key has at most {MAX_KEY} characters", name="ERR_MESSAGE_ENCODE")
    return _encode([rid, key, payload], max_bytes)


def encode_result(rid: str, result: JsonValue, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a reply that says yes. Raises as `encode_request` does."""
    return _encode([rid, None, result], max_bytes)


def encode_error(rid: str, error: str) -> bytes:
    """Return the bytes of a reply that says no; `error` is never empty on the wire, since empty means none there."""
    return _encode([rid, error.encode(errors="replace").decode() or "ERR_GENERIC", None], MAX_BYTES)


def _encode(message: JsonValue, max_bytes: int) -> bytes:
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        data = text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        # NaN, infinities, half surrogates, circles, more than 4,300 digits; what is no JSON type; too deep
        raise LocalError(f"this cannot be sent as JSON: {error}", name="ERR_MESSAGE_ENCODE") from error
    if len(data) > max_bytes:
        sentence = f"a message of {len(data):,} bytes is over the limit of {max_bytes:,}"
        raise LocalError(sentence, name="ERR_MESSAGE_SIZE")
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(message) > MAX_DEPTH:  # counting is quick
        raise LocalError(f"this is nested deeper than {MAX_DEPTH}", name="ERR_MESSAGE_ENCODE")
    return data


def _depth(value: JsonValue) -> int:
    depth, level = 0, [value]
    while containers := [item for item in level if isinstance(item, list | tuple | dict)]:
        depth += 1
        level = [item for each in containers for item in (each.values() if isinstance(each, dict) else each)]
    return depth


class Decoder:
    """Reads messages from a stream's pieces, however they are joined or split; see the module for bad ones.

    Keeps at most one unfinished value of `max_bytes`. Never raises for what came.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, *, expect: Expect = Expect.ANY) -> None:
        self._max_bytes = max_bytes
        self._expect = expect
        self._scanner = Scanner(max_depth)
        self._value = bytearray()  # what came of an unfinished value
        self._inside = False
        self._broken = False
        self.malformed = 0  # values and packets that were none

    @property
    def scanned(self) -> int:
        """Bytes looked at so far: at most twice what was fed."""
        return self._scanner.scanned

    @property
    def unfinished(self) -> bool:
        """Whether a value has begun and not ended."""
        return self._inside

    def feed(self, chunk: Buffer) -> list[Message]:
        """Take one packet's bytes; return the messages it completes. Returns nothing more after a fatal Malformed."""
        found: list[Message] = []
        data, at, retry = bytes(chunk), 0, self._inside
        while at < len(data) and not self._broken:
            if not self._inside:
                at = skip_space(data, at)
                if at == len(data):
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
            except TooDeep as error:
                self._fail(found, str(error))
                break
            at = self._take(data, at, end, found)
            retry = retry and self._inside
        return found

    def _begin(self) -> None:
        self._scanner.start()
        self._value.clear()
        self._inside = True

    def _take(self, data: bytes, at: int, end: int, found: list[Message]) -> int:
        """Keep, or finish, the value whose next bytes are `data[at:end]`; return `end`."""
        if len(self._value) + end - at > self._max_bytes:
            self._fail(found, f"a message is over the limit of {self._max_bytes:,} bytes")
        elif not self._scanner.done:
            self._value += data[at:end]
        else:
            self._inside = False
            whole = bytes(self._value) + data[at:end] if self._value else data[at:end]
            self._value = bytearray()  # not clear(): gives a large buffer back
            self._finish(whole, found)
        return end

    def _finish(self, whole: bytes, found: list[Message]) -> None:
        try:
            value: JsonValue = _PARSER.decode(whole.decode())
        except UnicodeDecodeError:
            self._report(found, "a message is not UTF-8")
        except ValueError:  # more than 4,300 digits; an exponent beyond a float's
            self._report(found, "a message contains a number out of range")
        except RecursionError:
            self._report(found, "a message is nested too deeply")
        else:
            message = _message(value, self._expect)
            if message is None:
                self._report(found, "a value is no message: its shape is another")
            else:
                found.append(message)

    def _report(self, found: list[Message], reason: str) -> None:
        self.malformed += 1
        last = found[-1] if found else None
        if isinstance(last, Malformed) and last.reason == reason:  # so that `[][][]...` costs no memory
            found[-1] = Malformed(reason, last.count + 1)
        else:
            found.append(Malformed(reason))

    def _fail(self, found: list[Message], reason: str) -> None:
        self.malformed += 1
        self._broken, self._inside, self._value = True, False, bytearray()
        found.append(Malformed(reason, fatal=True))


def _message(value: JsonValue, expect: Expect) -> Request | Reply | None:
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
    return Request(rid, second, third) if len(second) <= MAX_KEY else None


def _finite(text: str) -> float:
    """Return a JSON number that has a fraction or an exponent. Raises ValueError when a float cannot hold it."""
    number = float(text)
    if math.isinf(number):
        raise ValueError("beyond a float's range")
    return number


_PARSER: Final = json.JSONDecoder(parse_float=_finite)
