"""The good nodes on the disk. A damaged file is not used, and written new."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from core.files.private import make_private_directory, read_private, write_private
from core.mainline.saved import dump, load
from core.values import Address
from core.wire.kept_list import MAX_BYTES

_log = logging.getLogger(__name__)


async def read_nodes(path: Path | None) -> tuple[list[Address], str | None]:
    """Return the nodes that were kept, and a sentence when the file cannot be used."""
    if path is None:
        return [], None
    try:
        return load(await asyncio.to_thread(read_private, path, MAX_BYTES)), None
    except FileNotFoundError:
        return [], None
    except (OSError, ValueError) as error:
        sentence = f"The nodes of the public DHT in {path} cannot be used ({error}): others are found instead."
        _log.warning("%s", sentence)
        return [], sentence


async def write_nodes(path: Path | None, nodes: Sequence[Address]) -> None:
    """Keep nodes, whole or not at all; a disk that refuses costs nothing else."""
    if path is None or not nodes:
        return

    def work() -> None:
        make_private_directory(path.parent)
        write_private(path, dump(nodes))

    try:
        await asyncio.to_thread(work)
    except OSError as error:
        _log.warning("the nodes of the public DHT are not kept: %s", error)
