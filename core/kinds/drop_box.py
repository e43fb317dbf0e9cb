"""A drop box: its users put files in. They see nothing of what is there, and overwrite nothing.

No host fills it: each may put in as many files, and as many bytes, as are still free for all the others.
"""

import asyncio
import contextlib
import html
import os
import re
import secrets
import shutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote_to_bytes

from aiohttp import BodyPartReader, StreamReader, web
from aiohttp.multipart import MultipartReader

from core.aio.workers import Workers
from core.errors import LocalError
from core.kinds.http import page
from core.kinds.web import let_body_come
from core.limits.bounds import CALLERS, LEAST_RATE
from core.limits.table import BoundedTable
from core.rpc.fair_places import FairPlaces

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
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')  # what one of the common systems does not take in a name


class _NoAnswer(TimeoutError):
    """The disk does not answer."""


class TooMuch(LocalError):
    """A file is over the limit, or the disk is nearly full."""

    name = "ERR_TOO_LARGE"


@dataclass(slots=True)
class _Put:
    """What a host has put in since the share began; what is under way counts."""

    files: int = 0
    bytes: int = 0


class DropBox:
    """Takes files into `folder`, each at most `limit` bytes; `disk` does what may block."""

    def __init__(self, folder: Path, limit: int, disk: Workers) -> None:
        self._folder = folder
        self._limit = limit
        self._disk = disk
        self._turns: FairPlaces[str] = FairPlaces(UPLOADS, UPLOADS_HOST)
        self._put: BoundedTable[str, _Put] = BoundedTable(CALLERS)

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
                names = await _moving(request.content, take(request, self._put.use(host, _Put)))
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

    async def _take_form(self, request: web.BaseRequest, put: _Put) -> list[str]:
        if not request.content_type.startswith("multipart/"):
            return []
        names = []
        async for part in MultipartReader(request.headers, request.content):
            if isinstance(part, BodyPartReader) and part.filename:
                names.append(await self._take(part.filename, part, put))
        return names

    async def _take_one(self, request: web.BaseRequest, put: _Put) -> list[str]:
        name = os.fsdecode(unquote_to_bytes(request.raw_path.partition("?")[0].rpartition("/")[2]))
        return [await self._take(name, request.content, put)] if name else []

    async def _take(self, name: str, source: StreamReader | BodyPartReader, put: _Put) -> str:
        places = FILES_MAX - await self._on_disk(partial(_names, self._folder))
        if places <= 0:
            raise TooMuch("the drop box is full: its owner has to look first")
        if put.files >= places:
            raise TooMuch(f"you have put in {put.files:,} files: the places that are left are for others")
        part = self._folder / f".{secrets.token_hex(8)}{PART}"
        handle = await self._on_disk(partial(os.open, part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), os.close)
        put.files += 1
        settled = False
        try:
            try:
                await self._write(handle, source, put)
            finally:
                os.close(handle)
            name = await self._on_disk(partial(_settle, part, self._folder, safe_name(name)))
            settled = True
            return name
        finally:
            if not settled:
                put.files -= 1
                with contextlib.suppress(OSError, TimeoutError):
                    await self._on_disk(partial(part.unlink, missing_ok=True))

    async def _write(self, handle: int, source: StreamReader | BodyPartReader, put: _Put) -> None:
        size = 0
        try:
            while piece := await _next(source):
                size += len(piece)
                put.bytes += len(piece)
                if size > self._limit:
                    raise TooMuch(f"files of more than {self._limit:,} bytes are not taken here")
                free = await self._on_disk(partial(_free, self._folder)) - SPARE
                if free < 0:
                    raise TooMuch("the disk of the other side is nearly full")
                if put.bytes > free:
                    raise TooMuch(f"you have put in {put.bytes:,} bytes: the room that is left is for others")
                await self._on_disk(partial(_write_all, handle, piece))
        except BaseException:
            put.bytes -= size
            raise

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


def _settle(part: Path, folder: Path, name: str) -> str:
    """Give a whole file its name, or the first with a number that is free; return it."""
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    for number in range(1, 10_000):
        candidate = name if number == 1 else f"{stem} ({number}){dot}{ending}"
        try:
            os.close(os.open(folder / candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # the name is ours now
        except FileExistsError:
            continue
        os.replace(part, folder / candidate)
        return candidate
    raise FileExistsError(17, "there are thousands of that name already")


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _names(folder: Path) -> int:
    """Return how many names are there."""
    with os.scandir(folder) as found:
        return sum(1 for _ in found)


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
