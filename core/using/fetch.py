"""A file of another peer's folder, fetched whole: what a break left is gone on with, and nothing is overwritten."""

import asyncio
import html
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from core.errors import LocalError, PeerError, RefusedError, RemoteError, TransportClosed
from core.kinds.web import StreamConnector, reason_of
from core.limits.rate import Backoff
from core.tunnel.stream import ByteStream

PIECE: Final = 256 * 1024  # bytes written in one step, in a thread
TRIES: Final = 8  # in a row without a byte between; with the pauses that is two minutes
PART: Final = ".part"  # what has come of a file
TAG: Final = ".part-tag"  # which version of it that is
TAG_MAX: Final = 256  # characters of it
SPARE: Final = 64 * 1024 * 1024  # bytes that stay free on the disk, whatever comes: a system needs some to go on
LOOK_EVERY: Final = 16 * 1024 * 1024  # bytes written between looks at the disk, which others fill as well
STALLED: Final = 60.0  # seconds without a byte; then the connection counts as broken

OpenStream = Callable[[], Awaitable[ByteStream]]  # raises PeerError
Rest = Callable[[float], Awaitable[bool | None]]  # a pause of so many seconds; True: a new beginning ended it
Progress = Callable[[int, int], None]  # bytes that are here, bytes in all (0: not known)


class Fetch:
    """Fetches files over streams that `open_stream` opens."""

    def __init__(
        self, open_stream: OpenStream, progress: Progress = lambda here, total: None, rest: Rest = asyncio.sleep
    ) -> None:
        """`rest` is the pause between two tries. One that we slept through, or that began elsewhere, ends at once."""
        self._open_stream = open_stream
        self._progress = progress
        self._rest = rest

    async def file(self, path: str, to: Path) -> Path:
        """Fetch the file at `path`, with slashes between its folders, to `to`; return where it is.

        Raises LocalError when `to` is there already, cannot be written or finds no room on the disk, RefusedError for
        what the other side says, RemoteError for what makes no sense, and the PeerError that kept it from getting on.
        """
        if await asyncio.to_thread(to.exists):
            raise LocalError(f"{to} is there already: choose another name, or remove it first", name="ERR_FILE_EXISTS")
        part, tag = to.with_name(to.name + PART), to.with_name(to.name + TAG)
        url = URL(
            "http://folder/" + "/".join(quote(os.fsencode(name), safe="") for name in path.split("/")), encoded=True
        )
        connector = StreamConnector(self._open_stream, limit=1)
        limits = aiohttp.ClientTimeout(total=None, sock_read=STALLED)
        async with aiohttp.ClientSession(connector=connector, timeout=limits, auto_decompress=False) as session:
            await self._until_whole(session, url, part, tag)
        try:
            await asyncio.to_thread(_settle, part, tag, to)
        except OSError as error:
            raise LocalError(f"{to} cannot be written: {error.strerror or error}") from None
        return to

    async def _until_whole(self, session: aiohttp.ClientSession, url: URL, part: Path, tag: Path) -> None:
        backoff = Backoff(0.5, 30.0)
        while True:
            before = await asyncio.to_thread(_size, part)
            try:
                await self._go_on(session, url, part, tag)
                return
            except (RefusedError, RemoteError, LocalError):
                raise
            except (PeerError, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                if await asyncio.to_thread(_size, part) > before:
                    backoff.succeeded()
                if backoff.failures >= TRIES:
                    raise TransportClosed(f"the transfer stopped: {reason_of(error)}; what has come is kept") from error
                if await self._rest(backoff.failed()):
                    backoff.succeeded()

    async def _go_on(self, session: aiohttp.ClientSession, url: URL, part: Path, tag: Path) -> None:
        here, version = await asyncio.to_thread(_state, part, tag)
        headers = {"Range": f"bytes={here}-", "If-Range": version} if here and version else {}
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            if answer.status == 416 and here:
                return  # nothing is missing
            if answer.status not in {200, 206}:
                raise RefusedError(
                    await _sentence(answer), name="ERR_NOT_FOUND" if answer.status == 404 else "ERR_HTTP"
                )
            if answer.status == 200:
                here = 0
            elif not answer.headers.get("Content-Range", "").startswith(f"bytes {here}-"):
                raise RemoteError("the other side sent another part of the file than was asked for")
            if answer.content_length is None:  # our own always say it; it might never end
                raise RemoteError("the other side does not say how long the file is, so that it is not fetched")
            total = here + answer.content_length
            try:
                await asyncio.to_thread(_require_room, part, answer.content_length)
                await asyncio.to_thread(tag.write_text, _tag_of(answer), encoding="utf-8")
                await self._write(answer, part, here, total)
            except OSError as error:
                if isinstance(error, ConnectionError):
                    raise
                raise LocalError(f"{part} cannot be written: {error.strerror or error}") from None

    async def _write(self, answer: aiohttp.ClientResponse, part: Path, here: int, total: int) -> None:
        file = await asyncio.to_thread(open, part, "r+b" if here else "wb")
        look_at = here + LOOK_EVERY
        try:
            await asyncio.to_thread(file.seek, here)
            async for piece in answer.content.iter_chunked(PIECE):
                await asyncio.to_thread(file.write, piece)
                here += len(piece)
                if here >= look_at:
                    look_at = here + LOOK_EVERY
                    await asyncio.to_thread(_require_room, part, total - here)
                self._progress(here, total)
            await asyncio.to_thread(file.truncate)
        finally:
            await asyncio.to_thread(file.close)


def _tag_of(answer: aiohttp.ClientResponse) -> str:
    """Return the version that the other side names; "" for one that is no entity tag (RFC 9110 section 8.8.3)."""
    tag = answer.headers.get("ETag", "")
    return tag if len(tag) <= TAG_MAX and tag.isascii() and tag.isprintable() else ""


def _require_room(part: Path, more: int) -> None:
    """Raise LocalError unless so many bytes more find room, and some stay free."""
    free = shutil.disk_usage(part.parent).free
    if free - more < SPARE:
        raise LocalError(
            f"the disk has no room for the rest of the file: {more:,} bytes are to come, {free:,} are free and "
            f"{SPARE:,} of them stay so; what has come is kept in {part}",
            name="ERR_DISK_FULL",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _state(part: Path, tag: Path) -> tuple[int, str]:
    try:
        return _size(part), tag.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return 0, ""


def _settle(part: Path, tag: Path, to: Path) -> None:
    os.close(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))  # the name is ours: nothing is overwritten
    os.replace(part, to)
    tag.unlink(missing_ok=True)


async def _sentence(answer: aiohttp.ClientResponse) -> str:
    """Return what a page of ours says, or the status alone."""
    text = (await answer.content.read(4096)).decode(errors="replace")
    said = text.partition("<p>")[2].partition("</p>")[0]
    if 300 <= answer.status < 400:
        return "that is a folder: name a file in it"
    return html.unescape(said).strip().removesuffix(".") or f"the other side answered {answer.status}"
