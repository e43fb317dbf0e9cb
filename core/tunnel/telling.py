"""What a session's engine tells of one stream, handed to that stream."""

from core.streams.events import (
    Accepted,
    DatagramReceived,
    Ended,
    Finished,
    Refused,
    Reset,
    StreamEvent,
    Writable,
)
from core.tunnel.stream import ByteStream, StreamReset


def tell(handle: ByteStream, event: StreamEvent) -> None:
    """Tell a stream what happened while it goes on."""
    match event:
        case DatagramReceived():
            handle.on_datagram(event.data)
        case Accepted():
            handle.on_accepted(event.payload)
        case Ended():
            handle.on_ended()
        case Writable():
            handle.on_writable()


def tell_over(handle: ByteStream, event: Refused | Reset | Finished) -> None:
    """Tell a stream that it is over, and how."""
    match event:
        case Refused():
            handle.on_refused(event.reason)
        case Reset():
            handle.on_broken(StreamReset(event.reason.message, name=event.reason.name))
        case Finished():
            handle.on_finished()
