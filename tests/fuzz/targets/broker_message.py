"""A registration or a listing, whatever JSON it is: read within its bounds, or PayloadError or RemoteError.
What was read is written and read again the same; an answer keeps to its size.
"""

import json

from core.errors import PayloadError, RemoteError
from core.values import Address, JsonValue
from core.wire.broker_message import (
    LISTED_MAX,
    SERVICE_MAX,
    WAIT_MAX,
    Listed,
    Listing,
    Registration,
    listing_document,
    looks_like_registration,
    parse_listing,
    parse_registration,
    registration_document,
)
from core.wire.json_load import load
from tests.fuzz.inputs import Input

WATCHED = ["core.wire.broker_message"]
LIMITS = (300, 1200, 60_000)
_ENTRY = Listed("fibonacci_worker", True, Address("192.0.2.7", 1337))
SEEDS = [
    b'\0{"service":"fibonacci_worker","server":true}',
    b'\0{"service":"fibonacci_worker","server":false,"wait":2.5,"seen":3}',
    b'\0{"service":"x","server":true,"wait":' + b"9" * 400 + b',"seen":-1}',
    b"\1" + json.dumps(listing_document("fibonacci_worker", [_ENTRY], limit=999, you=_ENTRY.address, seen=3)).encode(),
    b'\1{"fibonacci_worker":{"a":{"address":"x","port":0,"server":1}},"":{"you":"x","seen":true}}',
]
MAX_INPUT = 1500


def run(data: bytes) -> None:
    source = Input(data)
    limit = source.choose(LIMITS)
    try:
        value = load(source.rest())
    except (ValueError, RecursionError):
        return
    registered(value)
    try:
        told = parse_listing(value, _ENTRY.service)
    except RemoteError:
        return
    listed(told, limit)


def registered(value: JsonValue) -> None:
    """Read a registration."""
    means_it = looks_like_registration(value)
    try:
        wanted = parse_registration(value)
    except PayloadError as error:
        if not 0 < len(str(error)) < 200:
            raise AssertionError("no sentence") from error
        return
    if not means_it or len(wanted.service.encode()) > SERVICE_MAX or not 0 <= (wanted.wait or 0.0) <= WAIT_MAX:
        raise AssertionError(f"{wanted} is beyond its bounds")
    again = parse_registration(registration_document(wanted))
    if again != (wanted if wanted.wait is not None else Registration(wanted.service, wanted.server)):
        raise AssertionError(f"{wanted} is not what it reads back as")


def listed(told: Listing, limit: int) -> None:
    """Check an answer, and give it on."""
    if len(told.entries) > LISTED_MAX or len(set(told.entries)) != len(told.entries):
        raise AssertionError("a listing of too many, or of the same twice")
    try:
        document = listing_document(_ENTRY.service, told.entries, limit=limit, you=told.you, seen=told.seen or 0)
    except UnicodeEncodeError:  # a host that is half a surrogate: a broker of ours shows addresses that it saw
        return
    size = len(json.dumps(document))
    if size > max(limit, 200):
        raise AssertionError(f"{size} bytes, and {limit} are allowed")
    shown = parse_listing(document, _ENTRY.service)
    if shown.entries != told.entries[: len(shown.entries)] or shown.ignored:
        raise AssertionError(f"{told} is not what it reads back as")
