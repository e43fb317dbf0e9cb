"""A stream of bytes over HTTP that we opened: the request's body goes, the response's comes, at the same time."""

from core.errors import RefusedError, TransportClosed
from core.grenache.config import GENERIC
from core.grenache.http_client import Connection, StreamSide
from core.wire.grenache_message import Meta, header_json


class OutgoingStream:
    """Write, end, and read, as one likes. Both directions have back-pressure. Raises only PeerError."""

    def __init__(self, connection: Connection, meta: Meta) -> None:
        """Sends the header at once. `meta` has id, key, action and arguments."""
        self._side = StreamSide()
        self._connection = connection
        self._transport = connection.listen(self._side)
        self._paused = False
        self._side.pause = self._pause
        lines = [
            "POST / HTTP/1.1", f"Host: {connection.address}", f"_gr: {header_json([meta.rid, meta.key])}",
            *([] if meta.action is None else [f"_a: {_plain(meta.action)}"]),
            *([] if meta.args is None else [f"_ar: {header_json(meta.args)}"]),
            "Transfer-Encoding: chunked", "Connection: close", "", "",
        ]  # fmt: skip
        self._transport.write("\r\n".join(lines).encode())

    async def write(self, data: bytes) -> None:
        """Send a piece, when there is room."""
        await self._side.writable.wait()
        if self._transport.is_closing():
            raise self._side.error or TransportClosed("the other side closed the stream")
        if data:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """End what we send."""
        if not self._transport.is_closing():
            self._transport.write(b"0\r\n\r\n")

    async def read(self) -> bytes:
        """Return the next bytes; b"" at the end. Raises RefusedError for a status other than 200."""
        side = self._side
        while True:
            if side.status is not None and not 200 <= side.status < 300:
                raise RefusedError(f"the server answered HTTP {side.status}", name=GENERIC)
            if side.parts:
                data = b"".join(side.parts)
                side.parts.clear()
                side.waiting = 0
                if self._paused:
                    self._paused = False
                    self._transport.resume_reading()
                return data
            if side.over:
                if side.error is not None:
                    raise side.error.again()
                return b""
            side.news.clear()
            await side.news.wait()

    def close(self) -> None:
        """Give it up."""
        self._connection.abort()

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isprintable() and each.isascii())[:1000]
