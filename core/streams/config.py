"""The numbers of the stream engine: each with its unit, its source and its reason."""

from core.frozen import dataclass

KIB = 1024
FIRST_WINDOW = 64 * KIB  # bytes that may be sent on a new stream before any CREDIT; part of the protocol


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Bounds of one session. Sizes are bytes unless the name says otherwise."""

    streams: int = 2048
    """Streams at a time, of both sides. A browser opens 6 to a host, ssh one; 1,000 idle sensors still fit."""
    unanswered: int = 256
    """OPENs that nobody has accepted or refused yet. Full: the next ones are refused with ERR_STREAM_LIMIT."""
    window_max: int = 1024 * KIB
    """The greatest window of one stream: as much as the uTP connection below has on its way (UtpConfig)."""
    windows: int = 8 * 1024 * KIB
    """All that windows may grow beyond FIRST_WINDOW, in one session; less while many streams are open (`unread`)."""
    unread: int = 24 * 1024 * KIB
    """Bytes received that no reader has taken, in one session. Beyond: the session reads nothing until some are.
    256 streams that nobody reads, and all growth, fit: they hold up no other one."""
    grow_within: float = 1.0
    """Seconds. A reader that takes half a window within that time gets twice the window: over 64 KiB a second."""
    send_buffer: int = 128 * KIB - 20
    """Bytes of one stream that wait to be sent: two frames, so that the next is there when its turn comes. With their
    headers, and the length that goes before a message, they fill eight TLS records (`core.secure.frames`)."""
    unsent: int = 24 * 1024 * KIB
    """Bytes that wait to be sent, in one session; beyond, a quantum of each stream. As much as `unread`: 192 slow
    readers have full buffers, and 2,048 of a trusted peer hold 56 MB, for which its share of the memory has room."""
    quantum: int = 16 * KIB
    """Bytes of one stream's turn while others wait, header included: one TLS record."""
    datagrams: int = 256
    """Datagrams of one stream that wait, each way: what one wake-up of the socket brings. Full: the oldest is dropped,
    as routers do with a short queue."""
    datagram_bytes: int = 320 * KIB
    """Bytes of them: four of the longest. Full: the oldest is dropped."""
    datagrams_held: int = 1024 * KIB
    """Bytes of datagrams that wait in one session, each way. Full: a stream drops its own oldest, or the newcomer."""
