"""What is kept of our networks for the next run: where people were met, which grapes answered, and our own port.

On a network that carries no multicast this is how peers find each other. It is a private file of the profile, since it
says who was where. What cannot be read is no loss: it is written new.
"""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any, Final, TypeVar

from core.aio.tasks import TaskSet
from core.files.private import make_private_directory, read_private, write_private
from core.peer_id import PeerId
from core.values import Address

SCHEMA: Final = 1
MOST_PEOPLE: Final = 256  # as many as the client remembers in one run; full: the one met longest ago is forgotten
MOST_OF_ONE: Final = 4  # addresses of one peer, the newest first
MOST_GRAPES: Final = 16
WRITE_AFTER: Final = 5.0  # seconds from a change to the disk; what more changes meanwhile is written along
MAX_BYTES: Final = 1 << 18  # a full file has 60 KB
KeyT = TypeVar("KeyT")
_log = logging.getLogger(__name__)


class Kept:
    """The file in memory. Without a path nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self.port = 0  # our own UDP port, which others have kept; 0: none
        self.grapes: list[Address] = []  # those that answered, the newest first
        self._people: dict[PeerId, list[Address]] = {}  # who was met last is last
        self._path = path
        self._tasks = TaskSet("what is kept of our networks")
        self._changed = asyncio.Event()
        self._written = b""

    def of(self, peer_id: PeerId) -> list[Address]:
        """Return where a peer was met, the newest first."""
        return list(self._people.get(peer_id, ()))

    # -- changes ------------------------------------------------------------------------------------------------------

    def met(self, peer_id: PeerId, address: Address) -> None:
        """Note where a peer was, verified."""
        before = self._people.pop(peer_id, [])
        self._people[peer_id] = _first(address, before, MOST_OF_ONE)
        while len(self._people) > MOST_PEOPLE:
            del self._people[next(iter(self._people))]
        self._changed.set()

    def answered(self, grape: Address) -> None:
        """Note a grape that answers."""
        if grape not in self.grapes:
            self.grapes = _first(grape, self.grapes, MOST_GRAPES)
            self._changed.set()

    def use_port(self, port: int) -> None:
        """Note our own port."""
        if port != self.port:
            self.port = port
            self._changed.set()

    # -- the file -----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Read it, and write it from now on. Nothing is raised."""
        if self._path is None:
            return
        try:
            self._load(await asyncio.to_thread(_read, self._path))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            _log.warning("%s is not used, and written new: %s", self._path, error)
        self._tasks.spawn(self._write_forever(self._path), name="keep where people are")

    async def aclose(self) -> None:
        """Write what has changed, and end."""
        await self._tasks.aclose()
        if self._path is not None and self._changed.is_set():
            await self._write(self._path)

    async def _write_forever(self, path: Path) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(WRITE_AFTER)
            await self._write(path)

    async def _write(self, path: Path) -> None:
        self._changed.clear()
        data = self._dump()
        if data == self._written:
            return
        try:
            await asyncio.to_thread(_write, path, data)
        except OSError as error:
            _log.warning("where people were met is not kept: %s", error)
        else:
            self._written = data

    def _dump(self) -> bytes:
        people = [{"id": str(who), "at": list(map(str, places))} for who, places in self._people.items()]
        document = {"schema": SCHEMA, "port": self.port, "grapes": list(map(str, self.grapes)), "people": people}
        return json.dumps(document, indent=1).encode() + b"\n"

    def _load(self, data: bytes) -> None:
        document: dict[str, Any] = json.loads(data)
        if document["schema"] != SCHEMA:
            raise ValueError(f"it is not of schema {SCHEMA}")
        port = document["port"]
        people = {PeerId.parse(row["id"]): _addresses(row["at"], MOST_OF_ONE) for row in document["people"]}
        grapes = _addresses(document["grapes"], MOST_GRAPES)
        self._people = dict(list(people.items())[-MOST_PEOPLE:])
        self.port = port if type(port) is int and 1024 <= port < 65536 else 0
        self.grapes = grapes
        self._written = self._dump()


def _first(newest: KeyT, others: list[KeyT], most: int) -> list[KeyT]:
    return [newest, *(each for each in others if each != newest)][:most]


def _addresses(texts: list[str], most: int) -> list[Address]:
    return [Address.parse(text) for text in texts[:most]]


def _read(path: Path) -> bytes:
    data = read_private(path, MAX_BYTES, lambda sentence: _log.warning("%s", sentence))
    if len(data) > MAX_BYTES:
        raise ValueError("it is far too large")
    return data


def _write(path: Path, data: bytes) -> None:
    make_private_directory(path.parent)
    write_private(path, data)
