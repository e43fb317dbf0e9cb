"""A folder: pages in the browser and files with ranges, read only; or a drop box, into which files are only put."""

import asyncio
import html
import json
import logging
import mimetypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote, unquote_to_bytes

from aiohttp import web

from core.aio.workers import Workers
from core.errors import LocalError, PeerError
from core.files.shown import plain
from core.kinds.base import Check, Shared
from core.kinds.drop_box import DropBox
from core.kinds.folder_files import Files, Listing
from core.kinds.http import page
from core.kinds.share import BAD, Share, flag_option, number_option, text_option
from core.kinds.web import StreamServer
from core.rpc.fair_places import FairPlaces
from core.scope import network
from core.tunnel.stream import ByteStream
from core.values import Caller, JsonValue
from core.wire.stream_opening import Opening, pack_details

READ: Final = 256 * 1024  # bytes read in one step, in a thread: a slow disk holds nobody else up
READERS: Final = 128  # files and folders that are read at a time, of all callers; more wait, and hosts take turns
READERS_HOST: Final = 16  # of one host: a browser opens 6
THREADS: Final = 8  # for the disk of one share: a dead disk takes no others along
DISK_PATIENCE: Final = 30.0  # seconds for the disk to answer; one that sleeps starts in 10
STALLED: Final = 120.0  # seconds for a reader to take what was READ: 2 KB a second; slower ones are cut off
UPLOAD_MAX: Final = 4 * 1024**3  # bytes of one file put into a drop box, unless its owner says otherwise

_log = logging.getLogger(__name__)


class FolderService(Shared):
    """Options: `path`; `drop`: true for a drop box; `hidden`: true to show hidden files; `upload_max`: bytes."""

    kind: ClassVar[str] = "folder"
    options: ClassVar[frozenset[str]] = frozenset({"path", "drop", "hidden", "upload_max"})

    def __init__(self, share: Share) -> None:
        super().__init__(share)
        self._path = Path(os.path.expanduser(text_option(share, "path")))
        if not self._path.is_absolute():
            raise LocalError(f"{share.name}: give the whole path of the folder, not {str(self._path)[:80]!r}", name=BAD)
        self._files = Files(self._path, hidden=flag_option(share, "hidden"))
        most = number_option(share, "upload_max", UPLOAD_MAX, 1, 2**63)
        self._disk = Workers(f"disk of {share.name}", THREADS)
        self._box = DropBox(self._path, int(most), self._disk) if flag_option(share, "drop") else None
        self._readers: FairPlaces[str] = FairPlaces(READERS, READERS_HOST)
        self._servers: set[StreamServer] = set()

    @property
    def description(self) -> str:
        """Say what can be done with it; its path is the owner's business."""
        return "a drop box for files" if self._box is not None else "a folder"

    def warnings(self) -> list[str]:
        """Warn of folders that hold more than their owner may think of."""
        found = self._path.resolve()
        if found == Path(found.anchor):
            return ["This is the whole disk, with everybody's files and the system's."]
        if found == Path.home().resolve():
            return ["This is your home folder, with all your documents. Hidden files, such as keys, are not shown."]
        if any(part.startswith(".") for part in found.parts):
            return ["This folder is hidden, or lies in a hidden one: such folders often hold keys and passwords."]
        return []

    async def start(self) -> None:
        """Look whether the folder is there. Raises LocalError."""
        check = await self.check()
        if not check.ok:
            raise LocalError(check.sentence.removesuffix("."), name=BAD)
        if self._box is not None:
            await self._box.open()

    async def aclose(self) -> None:
        """End the transfers there are."""
        for server in list(self._servers):
            await server.aclose()
        self._disk.close()

    async def check(self) -> Check:
        """Look whether the folder can be read, or written to."""
        needed = os.W_OK | os.X_OK if self._box is not None else os.R_OK | os.X_OK
        path = self._path

        def look() -> bool:
            return path.is_dir() and os.access(path, needed)

        try:
            there = await self._disk.run(look, DISK_PATIENCE)
        except TimeoutError:
            return Check(False, f"The disk of the folder {path} does not answer.")
        if not there:
            verb = "written to" if self._box is not None else "read"
            return Check(False, f"The folder {path} is not there, or cannot be {verb}.")
        return Check(True, f"The folder {path} is there.")

    async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
        """Serve one connection of a caller's."""
        server = StreamServer(lambda request: self._answer(request, network(caller.address.host)))
        self._servers.add(server)
        stream.accept(pack_details({"k": self.kind, "drop": self._box is not None}))
        try:
            await server.serve(stream)
        finally:
            self._servers.discard(server)
            await server.aclose()

    async def _answer(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        try:
            if self._box is not None:
                return await self._box.answer(request, self.name, host)
            if request.method not in {"GET", "HEAD"}:
                return page(405, "Read only", "Files here can be read, not changed.")
            async with self._readers.place(host):
                return await self._read(request)
        except PeerError as error:
            return page(404, "Not found", f"{str(error)[:1].upper()}{str(error)[1:]}.")
        except TimeoutError:
            _log.warning("%s: the disk did not answer within %g s", self.name, DISK_PATIENCE)
            return page(503, "No answer", "The disk of the other side does not answer. Try again later.")

    async def _read(self, request: web.BaseRequest) -> web.StreamResponse:
        parts, slash = _parts_of(request.raw_path)
        if await self._disk.run(lambda: self._files.is_folder(parts), DISK_PATIENCE):
            return await self._folder(request, parts, slash)
        return await self._file(request, parts)

    async def _folder(self, request: web.BaseRequest, parts: tuple[str, ...], slash: bool) -> web.StreamResponse:
        if "application/json" in request.headers.get("Accept", ""):
            listing = await self._disk.run(lambda: self._files.list(parts), DISK_PATIENCE)
            return web.Response(text=_as_json(listing), content_type="application/json")
        if not slash:  # else the links on the page lead one folder too high
            location = "/" + "/".join(_quoted(part) for part in parts) + "/"
            return web.Response(status=301, headers={"Location": location})
        text = await self._disk.run(lambda: _as_page(self.name, parts, self._files.list(parts)), DISK_PATIENCE)
        return web.Response(text=text, content_type="text/html", headers=_SAFE)

    async def _file(self, request: web.BaseRequest, parts: tuple[str, ...]) -> web.StreamResponse:
        handle, found = await self._disk.run(
            lambda: self._files.open(parts), DISK_PATIENCE, unwanted=lambda opened: os.close(opened[0])
        )
        with _closing(handle):
            return await _send(request, handle, found, parts[-1], self._disk)


# A file may be a page with scripts: it has the origin of this share alone, and no other site shows it in a frame.
_SAFE: Final = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-cache"}


def _parts_of(raw_path: str) -> tuple[tuple[str, ...], bool]:
    """Return the names in a path, and whether it ends with a slash. Names in any encoding are kept byte for byte."""
    path = raw_path.partition("?")[0]
    names = [os.fsdecode(unquote_to_bytes(part)) for part in path.split("/") if part]
    return tuple(names), path.endswith("/")


def _quoted(name: str) -> str:
    return quote(os.fsencode(name), safe="")


async def _send(
    request: web.BaseRequest, handle: int, found: os.stat_result, name: str, disk: Workers
) -> web.StreamResponse:
    """Send a file, or the range of it that is asked for (RFC 9110 section 14)."""
    tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
    headers = {
        **_SAFE,
        "ETag": tag,
        "Last-Modified": formatdate(found.st_mtime, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
    }
    if request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    begin, end, partial = 0, found.st_size, False
    if "Range" in request.headers and request.headers.get("If-Range", tag) == tag:
        try:
            asked = request.http_range
            begin, end, _ = slice(asked.start, asked.stop).indices(found.st_size)
            partial = True
        except ValueError:
            begin = end = -1
        if begin >= end:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{found.st_size}"})
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{found.st_size}"
    headers["Content-Length"] = str(end - begin)
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    await response.prepare(request)
    if request.method != "HEAD":
        if await _copy(response, handle, begin, end, disk):
            await response.write_eof()
        elif request.transport is not None:
            request.transport.abort()  # the reader must not take what came for all
    return response


async def _copy(response: web.StreamResponse, handle: int, begin: int, end: int, disk: Workers) -> bool:
    """Send bytes of a file; return False when it became shorter meanwhile, or its reader takes next to nothing.

    False also when the disk does not answer any longer.
    """
    at = begin
    try:
        while at < end:
            piece = await disk.run(partial(_read_at, handle, min(READ, end - at), at), DISK_PATIENCE)
            if not piece:
                return False
            async with asyncio.timeout(STALLED):
                await response.write(piece)
            at += len(piece)
    except TimeoutError:
        return False
    return True


def _read_at(handle: int, size: int, at: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, size, at)
    os.lseek(handle, at, os.SEEK_SET)
    return os.read(handle, size)


@contextmanager
def _closing(handle: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(handle)


def _as_json(listing: Listing) -> str:
    entries: list[JsonValue] = [
        {"name": _shown(e.name), "path": _quoted(e.name), "folder": e.folder, "size": e.size, "modified": e.modified}
        for e in listing.entries
    ]
    return json.dumps({"entries": entries, "more": listing.more})


def _shown(name: str) -> str:
    return os.fsencode(name).decode(errors="replace")


def _escaped(name: str) -> str:
    return html.escape(plain(_shown(name)))


def _as_page(title: str, parts: tuple[str, ...], listing: Listing) -> str:
    where = " / ".join(_escaped(part) for part in (title, *parts))
    up = '<tr><td><a href="../">..</a><td><td>' if parts else ""
    rows = "".join(
        f'<tr><td><a href="./{_quoted(e.name)}{"/" * e.folder}">{_escaped(e.name)}{"/" * e.folder}</a>'
        f"<td>{'' if e.folder else _size(e.size)}<td>{_date(e.modified)}"
        for e in listing.entries
    )
    empty = "" if listing.entries else "<p>This folder is empty.</p>"
    more = "<p>There are more files than are listed here.</p>" if listing.more else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<meta name="viewport" content="width=device-width"><title>{where}</title><style>'
        "body{font:16px/1.6 system-ui,sans-serif;max-width:52em;margin:2em auto;padding:0 1em}table{width:100%;"
        "border-collapse:collapse}td{padding:.2em .5em;border-bottom:1px solid #8884;overflow-wrap:anywhere}"
        f"td+td{{white-space:nowrap;text-align:right;color:#777}}</style><h1>{where}</h1>"
        f"<table>{up}{rows}</table>{empty}{more}</html>"
    )


def _date(at: float) -> str:
    return formatdate(at, usegmt=True)[5:22] if 0 <= at < 253402300800 else ""  # the year 9999


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
