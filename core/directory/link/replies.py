"""What a grape answered: data, an error name, or nonsense. Nothing a grape sends gets past here unchecked."""

import ipaddress
import json
import re

from core.errors import LookupEmpty, RefusedError, RemoteError
from core.frozen import frozen
from core.values import Address, JsonValue

SHOWN = 120  # characters of a grape's own words in an error: a sentence, not a page
_ERROR_NAME = re.compile(r"ERR_[A-Z0-9_]{1,60}")
_HASH = re.compile(r"[0-9a-f]{40}")


@frozen
class RawReply:
    """An HTTP status and body, and the URL of the grape they came from."""

    url: str
    status: int
    body: bytes


def read_value(reply: RawReply) -> JsonValue:
    """Return the JSON value of a reply, None for an empty body.

    Raises RefusedError for an error status with a grape's words, RemoteError for what no grape says.
    """
    text = reply.body.decode("utf-8", "replace")
    if reply.status != 200:
        raise _status_error(reply, text)
    if not text:
        return None
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        raise RemoteError(f"{reply.url} answered something that is not JSON: {shown(text)}") from None
    return value


def _status_error(reply: RawReply, text: str) -> RemoteError:
    """A Node grape answers plain text under 413 and 500, and a JSON string under a DHT error's code (301, 302).

    Ours answers "NAME: sentence" under 403.
    """
    try:
        inner = json.loads(text)
        text = inner if isinstance(inner, str) else text
    except (ValueError, RecursionError):
        pass
    if _error_name(text) or reply.status in (301, 302, 500):
        return refused(reply.url, text)
    return RemoteError(f"{reply.url} answered HTTP {reply.status}: is that a grape's address? {shown(text)}")


def refused(url: str, text: str) -> RefusedError:
    """Return the error for a grape's error name or sentence."""
    return RefusedError(f"the grape {url} refused: {shown(text)}", name=_error_name(text) or "ERR_GRAPE_GENERIC")


def _error_name(text: str) -> str | None:
    """Return the name in "NAME" or "NAME: sentence"."""
    name = text.partition(": ")[0]
    return name if _ERROR_NAME.fullmatch(name) else None


def shown(text: str) -> str:
    """Return a stranger's text cut and made printable."""
    line = "".join(c if c.isprintable() else " " for c in text[:SHOWN])
    return line + ("..." if len(text) > SHOWN else "")


def read_peers(reply: RawReply, max_peers: int) -> list[Address]:
    """Return a listing's peers. Raises LookupEmpty, RefusedError or RemoteError.

    An entry that is no IPv4 unicast address and port is left out; a listing of nothing else is RemoteError.
    """
    value = read_value(reply)
    if isinstance(value, str):
        raise refused(reply.url, value)
    if value is None or value == []:
        raise LookupEmpty(f"the grape {reply.url} knows nobody under that name")
    if not isinstance(value, list):
        raise RemoteError(f"{reply.url} answered a lookup with a {type(value).__name__}, not with a list")
    if len(value) > max_peers:
        raise RemoteError(f"{reply.url} answered a lookup with {len(value)} peers: more than {max_peers}")
    peers = list(dict.fromkeys(peer for entry in value if (peer := _peer(entry)) is not None))
    if not peers:
        raise RemoteError(f"{reply.url} answered a lookup with nothing that is an address: {shown(str(value[0]))}")
    return peers


def _peer(entry: JsonValue) -> Address | None:
    try:
        peer = Address.parse(entry if isinstance(entry, str) else "")
        host = ipaddress.IPv4Address(peer.host)
    except ValueError:
        return None
    unusable = host.is_unspecified or host.is_multicast or int(host) == 0xFFFFFFFF
    return None if unusable else Address(str(host), peer.port)


def read_count(reply: RawReply) -> int:
    """Return how many nodes stored an announce. Raises RefusedError or RemoteError."""
    value = read_value(reply)
    if isinstance(value, str):
        raise refused(reply.url, value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RemoteError(f"{reply.url} answered an announce with {shown(json.dumps(value))}, not with a count")
    return value


def read_hash(reply: RawReply) -> str:
    """Return the hash of a put. Raises RefusedError or RemoteError."""
    value = read_value(reply)
    if not isinstance(value, str):
        raise RemoteError(f"{reply.url} answered a put with {shown(json.dumps(value))}, not with a hash")
    if not _HASH.fullmatch(value.lower()):
        raise refused(reply.url, value)
    return value.lower()


def read_item(reply: RawReply) -> dict[str, JsonValue]:
    """Return an item with its `v`. Raises LookupEmpty when unknown, RefusedError or RemoteError."""
    value = read_value(reply)
    if isinstance(value, str):
        raise refused(reply.url, value)
    if value is None:
        raise LookupEmpty(f"the grape {reply.url} knows no value under that hash")
    if not isinstance(value, dict) or "v" not in value:
        raise RemoteError(f"{reply.url} answered a get with {shown(json.dumps(value))}, not with an item")
    return value
