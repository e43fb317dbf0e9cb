"""The open peers on the disk. A damaged file is not used, and written new."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from core.files.private import make_private_directory, read_private, write_private
from core.open_peers.saved import dump, load
from core.peer_id import PeerId
from core.values import Address
from core.wire.kept_list import MAX_BYTES

_log = logging.getLogger(__name__)


class OpenPeersFile:
    """Where they are kept; `path` None: nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    async def read(self) -> list[tuple[Address, PeerId]]:
        """Return those that were kept; none when the file is not there, or cannot be used."""
        if self._path is None:
            return []
        try:
            return load(await asyncio.to_thread(read_private, self._path, MAX_BYTES))
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            _log.warning("The open peers in %s cannot be used (%s): others are found instead.", self._path, error)
            return []

    async def write(self, known: Sequence[tuple[Address, PeerId]]) -> None:
        """Keep them, whole or not at all; a disk that refuses costs nothing else."""
        path = self._path
        if path is None or not known:
            return

        def work() -> None:
            make_private_directory(path.parent)
            write_private(path, dump(known))

        try:
            await asyncio.to_thread(work)
        except OSError as error:
            _log.warning("the open peers are not kept: %s", error)
