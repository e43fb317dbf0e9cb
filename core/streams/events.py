"""What happened on the streams of a session, each a frozen value with the number of its stream."""

from typing import NamedTuple, TypeAlias

from core.wire.stream_frame import Reason


class Opening(NamedTuple):
    """The other side opens a stream: `accept` or `refuse` it."""

    stream: int
    payload: bytes


class Accepted(NamedTuple):
    """A stream of ours is open."""

    stream: int
    payload: bytes


class Refused(NamedTuple):
    """A stream of ours is not opened; it is over."""

    stream: int
    reason: Reason


class Received(NamedTuple):
    """Bytes in order. Say by `consumed` when a reader has taken them."""

    stream: int
    data: bytes


class DatagramReceived(NamedTuple):
    """One datagram."""

    stream: int
    data: bytes


class Ended(NamedTuple):
    """The other side sends no further bytes; ours may still be sent."""

    stream: int


class Writable(NamedTuple):
    """After a short write, half of the send buffer is free again."""

    stream: int


class Reset(NamedTuple):
    """The other side gave a stream up; it is over."""

    stream: int
    reason: Reason


class Finished(NamedTuple):
    """Both sides have ended and everything has been handed over or sent; the stream is over."""

    stream: int


class Goodbye(NamedTuple):
    """The other side takes no new streams."""

    reason: Reason


StreamEvent: TypeAlias = (
    Opening | Accepted | Refused | Received | DatagramReceived | Ended | Writable | Reset | Finished | Goodbye
)
