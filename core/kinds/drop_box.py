"""A drop box: its users put files in. They see nothing of what is there, and overwrite nothing.

No host fills it: each may put in as many files, and as many bytes, as are still free for all the others, and a /48 of
IPv6 twice as many. What counts is what is there, also after a restart (`core.kinds.uploads`).
"""

import asyncio
import contextlib
import html
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote_to_bytes

from aiohttp import BodyPartReader, StreamReader, web
from aiohttp.multipart import MultipartReader

from core.aio.workers import Workers
from core.errors import LocalError
from core.kinds.http import page
from core.kinds.uploads import NAME as UPLOADS_FILE
from core.kinds.uploads import SITE_PARTS, Parts, Uploads
from core.kinds.web import let_body_come
from core.limits.bounds import LEAST_RATE
from core.rpc.fair_places import FairPlaces
from core.scope import site

PIECE: Final = 256 * 1024  # bytes written in one step, in a thread
SPARE: Final = 256 * 1024 * 1024  # bytes that stay free on the disk, whatever is put in
NAME_BYTES: Final = 200  # of a file's name; most file systems take 255, and a number may follow
UPLOADS: Final = 32  # at a time; more wait, and hosts take turns
UPLOADS_HOST: Final = 4  # of one host
FILES_MAX: Final = 10_000  # names in the folder beyond which nothing is taken: file systems and people cope with those
STALLED: Final = 60.0  # seconds in which a sender must send LEAST_RATE on the average; longer than a dead spot
DISK_PATIENCE: Final = 30.0  # seconds for the disk to answer, as of a folder
PART: Final = ".part"  # of a file that has not come whole; removed when the rest does not come
T = TypeVar("T")
ABANDONED: Final = 3600.0  # seconds without a byte, after which nobody sends it: a sender is cut off after STALLED
_PART: Final = re.compile(r"\.[0-9a-f]{16}\.part")
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')  # what one of the common systems does not take in a name


class _NoAnswer(TimeoutError):
    """The disk does not answer."""


class TooMuch(LocalError):
    """A file is over the limit, or the disk is nearly full."""

    name = "ERR_TOO_LARGE"


class DropBox:
    """Takes files into `folder`, each at most `limit` bytes; `disk` does what may block."""

    def __init__(self, folder: Path, limit: int, disk: Workers) -> None:
        self._folder = folder
        self._limit = limit
        self._disk = disk
        self._turns: FairPlaces[str] = FairPlaces(UPLOADS, UPLOADS_HOST)
        self._under_way = Parts()
        self._uploads = Uploads(folder)

    async def open(self) -> None:
        """Read who put in what is there. Raises LocalError."""
        try:
            await self._on_disk(self._uploads.open)
            await self._on_disk(partial(_remove_parts, self._folder))
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or "the disk does not answer"
            raise LocalError(
                f"the drop box {self._folder} cannot be opened: who put in what stands in {UPLOADS_FILE} there ({why})"
            ) from None

    async def answer(self, request: web.BaseRequest, title: str, host: str) -> web.StreamResponse:
        """Show the form, or take what is sent by `host`: a form, or with PUT one file under the name in the path."""
        if request.method in {"GET", "HEAD"}:
            return web.Response(text=_form(title, ""), content_type="text/html")
        if request.method not in {"POST", "PUT"}:
            return page(405, "A drop box", "Files can be put in here, and nothing else.")
        if request.headers.get("Content-Encoding", "identity") != "identity":  # 1 KB of it may be 1 MB
            return page(415, "Packed", "Files are taken as they are: send them without a Content-Encoding.")
        try:
            take = self._take_form if request.method == "POST" else self._take_one
            async with self._turns.place(host):
                await let_body_come(request)
                names = await _moving(request.content, take(request, host))
        except TooMuch as error:
            return page(413, "Too large", f"{error}.")
        except _NoAnswer:
            return page(503, "No answer", "The disk of the other side does not answer. Try again later.")
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            return page(408, "Not taken", "The file came too slowly.")  # which nobody reads
        except ConnectionResetError:
            return page(400, "Not taken", "The file did not arrive completely.")  # which nobody reads
        except OSError as error:
            return page(
                507, "Not taken", f"The other side could not keep the file: {error.strerror or 'its disk failed'}."
            )
        said = f"Taken: {', '.join(names)}." if names else "There was no file in it."
        return web.Response(status=201 if names else 400, text=_form(title, said), content_type="text/html")

    async def _take_form(self, request: web.BaseRequest, host: str) -> list[str]:
        if not request.content_type.startswith("multipart/"):
            return []
        names = []
        async for part in MultipartReader(request.headers, request.content):
            if isinstance(part, BodyPartReader) and part.filename:
                names.append(await self._take(part.filename, part, host))
        return names

    async def _take_one(self, request: web.BaseRequest, host: str) -> list[str]:
        name = os.fsdecode(unquote_to_bytes(request.raw_path.partition("?")[0].rpartition("/")[2]))
        return [await self._take(name, request.content, host)] if name else []

    async def _take(self, name: str, source: StreamReader | BodyPartReader, host: str) -> str:
        places = FILES_MAX - await self._on_disk(partial(_count_names, self._folder))
        if places <= 0:
            raise TooMuch("the drop box is full: its owner has to look first")
        await self._check_part(host, "files", places, 1)
        part = self._folder / f".{secrets.token_hex(8)}{PART}"
        handle = await self._on_disk(partial(os.open, part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), os.close)
        size, settled = 0, False
        self._under_way.add(host, 1, 0)
        try:
            try:
                while piece := await _next(source):
                    size += len(piece)
                    self._under_way.add(host, 0, len(piece))
                    await self._check_room(host, size)
                    await self._on_disk(partial(_write_all, handle, piece))
            finally:
                os.close(handle)
            name = await self._on_disk(partial(self._settle, part, safe_name(name), host, size))
            settled = True
            return name
        finally:
            self._under_way.add(host, -1, -size)
            if not settled:
                with contextlib.suppress(OSError, TimeoutError):
                    await self._on_disk(partial(part.unlink, missing_ok=True))

    async def _check_room(self, host: str, size: int) -> None:
        """Raise TooMuch for a file that grows too large, or takes the room of others."""
        if size > self._limit:
            raise TooMuch(f"files of more than {self._limit:,} bytes are not taken here")
        free = await self._on_disk(partial(_free, self._folder)) - SPARE
        if free < 0:
            raise TooMuch("the disk of the other side is nearly full")
        await self._check_part(host, "bytes", free, 0)

    async def _check_part(self, host: str, what: str, left: int, more: int) -> None:
        """Raise TooMuch if a host, or its site, has put in as much as is left for others; `more` is to come."""
        if self._spent(host, what, left, more):
            await self._on_disk(self._uploads.look)
            if (spent := self._spent(host, what, left, more)) is not None:
                raise TooMuch(
                    f"{spent} {what}: the {'places' if what == 'files' else 'room'} left for others stays free"
                )

    def _spent(self, host: str, what: str, left: int, more: int) -> str | None:
        """Return what a host, or its site, has put in, if that is too much; None if there is room for it."""
        place = site(host)
        for owner, parts, who in ((host, 1, "you have"), (place, SITE_PARTS, "your network has")):
            if owner is not None:
                put = self._uploads.of(owner).plus(*self._under_way.of(owner))
                number = put.files if what == "files" else put.size
                if number + more > parts * left:
                    return f"{who} put in {number:,}"
        return None

    def _settle(self, part: Path, name: str, host: str, size: int) -> str:
        """Give a whole file its name, or the first with a number that is free, and count it; return the name."""
        name = _reserve(self._folder, name)
        try:
            self._uploads.add(name, host, size)
            os.replace(part, self._folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()
            raise
        return name

    async def _on_disk(self, function: Callable[[], T], unwanted: Callable[[T], None] | None = None) -> T:
        try:
            return await self._disk.run(function, DISK_PATIENCE, unwanted=unwanted)
        except TimeoutError:
            raise _NoAnswer from None


async def _next(source: StreamReader | BodyPartReader) -> bytes:
    if isinstance(source, BodyPartReader):
        return bytes(await source.read_chunk(PIECE))
    try:
        return await source.read(PIECE)
    except RuntimeError:  # aiohttp's, when the connection closes in the middle
        raise ConnectionResetError("the sender has gone") from None


def safe_name(name: str) -> str:
    """Return a name that every common system takes, without folders, hidden or not."""
    plain = os.fsencode(name.replace("\\", "/").rpartition("/")[2]).decode(errors="replace")
    plain = _UNSAFE.sub("_", plain).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    if not dot or len(ending.encode()) > 20:
        stem, ending = plain, ""
    while len(stem.encode()) > NAME_BYTES:
        stem = stem[:-1]
    return (f"{stem}.{ending}" if ending else stem) or "file"


def _reserve(folder: Path, name: str) -> str:
    """Make an empty file of this name, or of the first with a number that is free; return its name."""
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    for number in range(1, 10_000):
        candidate = name if number == 1 else f"{stem} ({number}){dot}{ending}"
        try:
            os.close(os.open(folder / candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # the name is ours now
        except FileExistsError:
            continue
        return candidate
    raise FileExistsError(17, "there are thousands of that name already")


def _remove_parts(folder: Path) -> None:
    """Remove what a program that was killed had begun to take."""
    with os.scandir(folder) as found:
        for entry in found:
            old = _PART.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < time.time() - ABANDONED
            if old:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _count_names(folder: Path) -> int:
    """Return how many files are there."""
    with os.scandir(folder) as found:
        return sum(1 for entry in found if not entry.name.startswith(UPLOADS_FILE))


async def _moving(content: StreamReader, taking: Coroutine[None, None, list[str]]) -> list[str]:
    """Wait for what takes `content`, for as long as that comes. Raises TimeoutError, and what the taking raises."""
    task = asyncio.get_running_loop().create_task(taking)
    try:
        before = content.total_bytes
        while not (await asyncio.wait({task}, timeout=STALLED))[0]:
            if content.total_bytes - before < LEAST_RATE * STALLED:
                raise TimeoutError
            before = content.total_bytes
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _form(title: str, said: str) -> str:
    told = f"<p><strong>{html.escape(said)}</strong></p>" if said else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
        "<style>body{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}</style>"
        f"<h1>{html.escape(title)}</h1>{told}<p>Choose files to hand over. "
        "Only the owner sees what is here.</p>"
        '<form method="post" enctype="multipart/form-data"><label>Files: '
        '<input type="file" name="file" multiple required>'
        "</label> <button>Send</button></form></html>"
    )
