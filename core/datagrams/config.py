"""The numbers of the datagram engine: each with its unit, its source and its reason."""

from core.frozen import frozen

KIB = 1024


@frozen
class DatagramConfig:
    """Bounds of the datagrams of one socket. Sizes are bytes unless the name says otherwise."""

    paths: int = 512
    """Sessions that carry datagrams at a time: twice as many as have byte streams, for those that end. Full: the next
    one has its datagrams in the stream."""
    flows: int = 256
    """Streams of one session that send datagrams. Full: the next one's go in the stream."""
    datagrams: int = 256
    """Datagrams of one stream that wait to be sent. Full: the oldest is dropped, as routers do with a short queue."""
    datagram_bytes: int = 320 * KIB
    """Bytes of them; 20 ms of 100 Mbit/s. Full: the oldest is dropped."""
    held: int = 1024 * KIB
    """Bytes of datagrams that wait in one session. Full: a stream drops its own oldest, or the newcomer."""
    turn: int = 64
    """Datagrams of one session that leave in one turn of the loop; then uTP and the others have theirs."""
    control: int = 16
    """Questions and answers about the path that wait in one session. Full: the newest is dropped."""
    partial: int = 32
    """Datagrams in pieces that are not whole yet, of one session. Full: the oldest is dropped."""
    partial_bytes: int = 256 * KIB
    """Bytes of their pieces. Full: the oldest is dropped."""
