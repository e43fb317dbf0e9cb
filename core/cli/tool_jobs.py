"""What the tools for the grapes do: lookups, announces, values that stay and values that are signed, and keys."""

from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.cli.jobs import brief_peer, require_company
from core.cli.output import Output, dumps
from core.dht.items import sign_item
from core.errors import LocalError
from core.files.private import read_private, write_private
from core.profile.config import PeerConfig
from core.profile.settings import SettingsStore
from core.values import JsonValue

KEY_MAX: Final = 200  # bytes; a seed has 64 hex digits


async def lookup(config: PeerConfig, output: Output, name: str, which: str | None) -> None:
    """Print a listing, or one of it: "first", "last" or "random"."""
    async with brief_peer(config, output) as peer:
        found = [str(address) for address in await peer.lookup(name)]
        if which is not None:
            chosen = {"first": 0, "last": -1}.get(which)
            found = [SystemRandom().choice(found) if chosen is None else found[chosen]]
        output.result("lookup", "\n".join(found), service=name, addresses=list[JsonValue](found))


async def announce(config: PeerConfig, output: Output, name: str, port: int) -> None:
    """Announce once."""
    async with brief_peer(config, output) as peer:
        await require_company(peer)
        nodes = await peer.announce(name, port)
        if not output.as_json:
            output.result("announced", str(nodes), service=name, nodes=nodes)


async def put(config: PeerConfig, output: Output, value: str) -> None:
    """Store a value and print its hash."""
    async with brief_peer(config, output) as peer:
        await require_company(peer)
        hash = await peer.put(value)
        output.result("put", hash, hash=hash)


async def put_mutable(
    config: PeerConfig, output: Output, value: str, key: Path, salt: str, sequence: int, cas: int | None
) -> None:
    """Sign a value, store it and print its hash."""
    item = sign_item(read_key(key), value.encode(), sequence, salt.encode(), cas)
    async with brief_peer(config, output) as peer:
        await require_company(peer)
        hash = await peer.grapes.put(
            value, key=item.key, signature=item.signature, sequence=sequence, salt=item.salt, cas=cas
        )
        output.result("put", hash, hash=hash)


async def get(config: PeerConfig, output: Output, hashes: Sequence[str], salt: str, part: str | None) -> None:
    """Print stored values, or a part of what the grape says of them: "raw", "id" or "token"."""
    async with brief_peer(config, output) as peer:
        for hash in hashes:
            item = await peer.grapes.get(hash, salt=salt.encode())
            value: JsonValue = item if part == "raw" else item.get(part or "v")
            output.result("get", value if isinstance(value, str) else dumps(value), hash=hash, value=value)


# -- keys -------------------------------------------------------------------------------------------------------------


def key_file(profile: str) -> Path:
    """Return where a profile's key for mutable values is."""
    return SettingsStore(profile).path.parent / f"{profile}.dht.key"


def make_key(path: Path, *, force: bool) -> None:
    """Make a key: its seed in hex, which only its owner can read, and the public key beside it. Raises LocalError."""
    if path.exists() and not force:
        raise LocalError(f"{path} exists: -f writes over it, and what it has signed can then be changed by nobody")
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, key.private_bytes_raw().hex().encode() + b"\n")
    path.with_name(f"{path.name}.pub").write_text(f"{key.public_key().public_bytes_raw().hex()}\n", encoding="ascii")


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a key. Raises LocalError."""
    try:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(read_private(path, KEY_MAX, secret=True).decode()))
    except FileNotFoundError:
        raise LocalError(f"there is no key {path}: 'grapevine keygen' makes one") from None
    except (OSError, ValueError) as error:
        raise LocalError(f"{path} is no key that 'grapevine keygen' made: {error}") from None
