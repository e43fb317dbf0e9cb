"""Every answer of the HTTP API, as observed on grenache-grape 1.0.0 (the same table was run against it)."""

import hashlib
import json
import logging
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht.items import CAS_MISMATCH, SEQUENCE_OLD, VALUE_TOO_BIG, Item, ItemRefused, sign_item
from core.errors import LocalError, PeerError, RequestTimeout
from core.grape.api import Api, HttpReply
from core.values import Address, JsonValue
from tests.grape.fakes import RESPONDER, FakeDht, ask, rpc

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
HELLO = "e28910ea0adb94dd45ced75fbff3e135c01bc437"  # SHA-1 of "5:hello", as the Node grape answered
MUTABLE = sign_item(KEY, b"hello", 1)
K = MUTABLE.key.hex() if MUTABLE.key else ""
SIG = MUTABLE.signature.hex()


def mutable(**changes: JsonValue) -> dict[str, JsonValue]:
    """Return a mutable put's DATA with changes; None takes a field away."""
    fields: dict[str, JsonValue] = {"v": "hello", "k": K, "sig": SIG, "seq": 1, **changes}
    return {name: value for name, value in fields.items() if value is not None}


PATHS = ("/", "/nope", "/lookup/", "/lookup?x=1", "//lookup", "/LOOKUP", "/%6cookup", "/lookup#a", "*")

NOT_PORTS: list[JsonValue] = ["1337", "x", 1.5, None, True, [1], -1, 65536, 70000]


def each(path: str, status: int, body: str, wrong: Sequence[JsonValue]) -> list[tuple[str, JsonValue, int, str]]:
    """Return a case for each wrong DATA."""
    return [(path, data, status, body) for data in wrong]


# path, data, status, body
CASES: list[tuple[str, JsonValue, int, str]] = [
    ("/lookup", "svc", 200, '["127.0.0.1:1337"]'),
    ("/lookup", "nobody", 200, "[]"),
    ("/lookup", "n" * 300, 200, "[]"),
    *each("/lookup", 200, '"ERR_GRAPE_LOOKUP"', [5, None, ["svc"], {}, True, False, ""]),
    ("/announce", ["new", 1337], 200, "3"),
    ("/announce", ["new", 1339.0], 200, "3"),
    ("/announce", ["new", 65535, "more"], 200, "3"),
    ("/announce", ["new", 0], 200, "3"),
    *each("/announce", 200, '"ERR_GRAPE_ANNOUNCE"', ["svc", None, {}, 7, ["", 1], ["n" * 300, 1]]),
    *each("/announce", 200, '"ERR_GRAPE_SERVICE_PORT"', [["svc", wrong] for wrong in NOT_PORTS]),
    ("/announce", [], 200, '"ERR_GRAPE_SERVICE_PORT"'),
    ("/announce", ["svc"], 200, '"ERR_GRAPE_SERVICE_PORT"'),
    *each("/announce", 500, "ERR_GRAPE_ANNOUNCE", [[5, 1337], [None, 1337], [{}, 1337], [True, 1337]]),
    ("/put", {"v": "hello"}, 200, f'"{HELLO}"'),
    ("/put", "hello", 200, f'"{HELLO}"'),
    ("/put", {"v": "hello", "foo": 1, "sig": "aa", "seq": 1, "salt": "s", "cas": 1}, 200, f'"{HELLO}"'),
    ("/put", {"v": ""}, 200, '"b44b82a4bc6c35f6ad5e9fceefef9509c17fba74"'),
    ("/put", {"v": 5}, 200, '"fd512d5838b7f0c9fa46debf0d0f0d0d28ea81a1"'),
    ("/put", {"v": True}, 200, '"1c9d0d26a5211fc7a715823784aaafaeaf7e88c7"'),
    ("/put", {"v": 1.5}, 200, '"1c9d0d26a5211fc7a715823784aaafaeaf7e88c7"'),
    ("/put", {"v": ["a", 1]}, 200, '"d3fb7084757f93759d2025bc9ec8a335686eb8e3"'),
    ("/put", {"v": {"b": "x", "a": 1}}, 200, '"1dec2e0b7d408bd82c6b52b9d07d0a2e71d4b49c"'),
    ("/put", {"v": "é" * 10}, 200, '"67fa4e8f67e4fec0171805152c0dda1f0d44d317"'),
    ("/put", {"v": "x" * 996}, 200, '"360592535a3b3aa674dd44d3359b19f5fdaba9e8"'),
    ("/put", {"v": "x" * 999}, 200, f'"{hashlib.sha1(b"999:" + b"x" * 999).hexdigest()}"'),
    ("/put", {"v": "x" * 1000}, 200, '"v must be less than 1000 bytes in put()"'),
    ("/put", {"v": "x" * 1001}, 200, '"v must be less than 1000 bytes in put()"'),
    *each("/put", 200, '"opts.v not given"', [5, ["a"], {}, False]),
    ("/put", None, 500, "ERR_GRAPE_GENERIC"),
    ("/put", {"v": None}, 200, '"ERR_GRAPE_GENERIC"'),
    ("/put", {"v": float("inf")}, 500, "ERR_GRAPE_PAYLOAD_INVALID"),
    ("/put", mutable(), 200, f'"{MUTABLE.target().hex()}"'),
    ("/put", mutable(k={"type": "Buffer", "data": list(bytes.fromhex(K))}), 200, f'"{MUTABLE.target().hex()}"'),
    ("/put", mutable(k=json.dumps(list(bytes.fromhex(K)))), 200, f'"{MUTABLE.target().hex()}"'),
    ("/put", mutable(k="zz"), 200, '"opts.k ed25519 public key must be 32 bytes"'),
    ("/put", mutable(k=5), 500, "ERR_GRAPE_GENERIC"),
    ("/put", mutable(sig=5), 500, "ERR_GRAPE_GENERIC"),
    ("/put", mutable(salt=5), 500, "ERR_GRAPE_GENERIC"),
    ("/put", mutable(sig=None), 200, '"opts.sign function or options.sig signature is required for mutable put"'),
    ("/put", mutable(seq=None), 200, '"opts.seq not provided for a mutable update"'),
    ("/put", mutable(seq="1"), 200, '"opts.seq not an integer"'),
    ("/put", mutable(seq=1e300), 200, '"opts.seq not an integer"'),
    ("/put", mutable(cas="1"), 200, '"opts.cas must be an integer if provided"'),
    ("/put", mutable(salt="s" * 65), 200, '"opts.salt is > 64 bytes long"'),
    ("/get", HELLO, 200, f'{{"id":"{RESPONDER.hex()}","token":null,"v":"hello"}}'),
    ("/get", HELLO.upper(), 200, f'{{"id":"{RESPONDER.hex()}","token":null,"v":"hello"}}'),
    ("/get", {"hash": HELLO, "salt": "s"}, 200, f'{{"id":"{RESPONDER.hex()}","token":null,"v":"hello"}}'),
    ("/get", "a" * 40, 200, ""),
    *each("/get", 200, '"ERR_GRAPE_GENERIC"', [5, False, ["a" * 40], {}, {"hash": 5}]),
    *each("/get", 200, "", ["", "xyz", "0123", "a" * 39, "a" * 41, "z" * 40, {"hash": "z"}]),
    ("/Lookup", "svc", 200, '["127.0.0.1:1337"]'),
    ("/LOOKUP", "svc", 200, '"ERR_REQ_NOTFOUND"'),
    ("/get", None, 500, "ERR_GRAPE_GENERIC"),
    *((path, "svc", 200, '"ERR_REQ_NOTFOUND"') for path in PATHS),
]


@pytest.mark.parametrize(("path", "data", "status", "body"), CASES)
def test_answer(path: str, data: JsonValue, status: int, body: str) -> None:
    dht = FakeDht()
    dht.peers[b"svc"] = [Address("127.0.0.1", 1337)]
    dht.items[bytes.fromhex(HELLO)] = Item(value=b"hello")

    reply = ask(Api(dht), path, rpc(data), "127.0.0.1")

    assert (reply.status, reply.body.decode()) == (status, body)


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"{nope", 500, "ERR_GRAPE_PAYLOAD_INVALID"),
        (b"", 500, "ERR_GRAPE_PAYLOAD_INVALID"),
        (b'{"rid":"a","data":"svc"} x', 500, "ERR_GRAPE_PAYLOAD_INVALID"),
        (b'\xef\xbb\xbf{"data":"svc"}', 500, "ERR_GRAPE_PAYLOAD_INVALID"),
        (b'{"data":NaN}', 500, "ERR_GRAPE_PAYLOAD_INVALID"),
        (b"[" * 8000, 500, "ERR_GRAPE_PAYLOAD_INVALID"),
        (b'{"data":' + b"9" * 8000 + b"}", 500, "ERR_GRAPE_PAYLOAD_INVALID"),
        (b"null", 500, "ERR_GRAPE_GENERIC"),
        (b'{"data":1e400}', 200, '"ERR_GRAPE_LOOKUP"'),
        (b"5", 200, '"ERR_GRAPE_LOOKUP"'),
        (b"[]", 200, '"ERR_GRAPE_LOOKUP"'),
        (b'"s"', 200, '"ERR_GRAPE_LOOKUP"'),
        (b"{}", 200, '"ERR_GRAPE_LOOKUP"'),
        (b'{"data":"svc"}', 200, '["127.0.0.1:1337"]'),
        (b' {"rid":{},"data":"svc"} \n', 200, '["127.0.0.1:1337"]'),
        (b'{"data":"nobody","data":"svc"}', 200, '["127.0.0.1:1337"]'),
        (b'{"data":"\xff\xfe"}', 200, "[]"),
        (b'{"data":"\\ud800"}', 200, "[]"),
    ],
)
def test_body_that_is_no_request(raw: bytes, status: int, body: str) -> None:
    dht = FakeDht()
    dht.peers[b"svc"] = [Address("127.0.0.1", 1337)]

    reply = ask(Api(dht), "/lookup", raw, "127.0.0.1")

    assert (reply.status, reply.body.decode()) == (status, body)


@pytest.mark.parametrize(
    ("client", "host"),
    [("127.0.0.1", "127.0.0.1"), ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), (None, "127.0.0.1")],
)
def test_announce_stores_the_clients_address(client: str | None, host: str) -> None:
    dht = FakeDht()

    ask(Api(dht), "/announce", rpc(["svc", 1337]), client)
    ask(Api(dht), "/announce", rpc(["svc", 0]), client)

    assert dht.peers[b"svc"] == [Address(host, 1337), Address(host, 20001)]


@pytest.mark.parametrize(
    ("client", "body"),
    [("::1", b'["127.0.0.1:1337"]'), ("::ffff:192.0.2.7", b'["shown-to-192.0.2.7:1337"]')],
)
def test_listing_is_made_for_the_client(client: str, body: bytes) -> None:
    dht = FakeDht()
    dht.peers[b"svc"] = [Address("127.0.0.1", 1337)]
    assert ask(Api(dht), "/lookup", rpc("svc"), client).body == body


def test_name_travels_as_utf8() -> None:
    dht = FakeDht()
    ask(Api(dht), "/announce", b'{"data":["\\u00e9\\ud800",1]}', None)
    assert list(dht.peers) == ["é�".encode()]


def test_mutable_item_is_shown_with_its_fields() -> None:
    dht, salted = FakeDht(), sign_item(KEY, b"hello", 7, salt=b"pepper")
    dht.token = b"\x01\x02"
    fields = mutable(sig=salted.signature.hex(), seq=7, salt="pepper", cas=6)
    api = Api(dht)

    stored = json.loads(ask(api, "/put", rpc(fields), None).body)
    shown = json.loads(ask(api, "/get", rpc({"hash": stored, "salt": "pepper"}), None).body)

    assert stored == hashlib.sha1(bytes.fromhex(K) + b"pepper").hexdigest()
    assert dht.items[salted.target()].cas == 6
    assert dht.calls == ["put", "get b'pepper'"]
    assert shown == {
        "id": RESPONDER.hex(),
        "token": "0102",
        "v": "hello",
        "sig": salted.signature.hex(),
        "k": K,
        "seq": 7,
        "salt": "pepper",
    }


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (ItemRefused(CAS_MISMATCH, "ours"), 301, '"301 CAS mismatch, re-read and try again"'),
        (ItemRefused(SEQUENCE_OLD, "ours"), 302, '"302 sequence number less than current"'),
        (ItemRefused(VALUE_TOO_BIG, "ours"), 200, '"All queries failed"'),
        (RequestTimeout("late"), 200, '"ERR_TIMEOUT"'),
        (LocalError("full"), 200, '"ERR_GRAPE_GENERIC"'),
        (PeerError("odd", name="ERR_ODD"), 200, '"ERR_ODD"'),
    ],
)
def test_dht_error(error: PeerError, status: int, body: str) -> None:
    dht = FakeDht()
    dht.error = error

    reply = ask(Api(dht), "/put", rpc({"v": "x"}), None)

    assert (reply.status, reply.body.decode()) == (status, body)


def test_bug_of_ours_costs_one_request(caplog: pytest.LogCaptureFixture) -> None:
    dht = FakeDht()
    dht.bug = ZeroDivisionError("bug")
    api = Api(dht)

    with caplog.at_level(logging.ERROR):
        assert ask(api, "/lookup", rpc("svc"), None).status == 500
    dht.bug = None

    assert "ZeroDivisionError" in caplog.text
    assert ask(api, "/lookup", rpc("svc"), None).body == b"[]"


def test_operations_at_once_are_bounded() -> None:
    dht = FakeDht()
    dht.gate.clear()
    api = Api(dht, max_operations=2)

    held: list[HttpReply] = []
    for _ in range(2):
        api.answer("/lookup", rpc("svc"), None, held.append)
    assert (len(dht.calls), held) == (2, [])
    assert ask(api, "/lookup", rpc("svc"), None).body == b'"ERR_GRAPE_BUSY"'
    dht.gate.set()

    assert [reply.body for reply in held] == [b"[]", b"[]"]
    assert ask(api, "/lookup", rpc("svc"), None).body == b"[]"


def test_one_host_cannot_take_all_operations() -> None:
    dht = FakeDht()
    api = Api(dht, max_operations=16)
    dht.gate.clear()
    held: list[HttpReply] = []
    for number in range(100):
        api.answer("/lookup", rpc(f"svc {number}"), "203.0.113.66", held.append)
    assert [reply.body for reply in held] == [b'"ERR_GRAPE_BUSY"'] * (100 - 8)
    for client in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"):
        api.answer("/lookup", rpc("svc"), client, held.append)
    assert held[-1].body == b'"ERR_GRAPE_BUSY"'  # the fourth part is kept for this machine
    before = len(held)
    for local in ("127.0.0.1", "::1", "::ffff:127.0.0.1", None):
        api.answer("/lookup", rpc("svc"), local, held.append)
    assert len(held) == before
    dht.gate.set()
    assert sum(reply.body == b"[]" for reply in held) == 8 + 4 + 4
