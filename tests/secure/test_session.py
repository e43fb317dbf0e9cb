"""Sessions in memory: who is let in, who is not, and what becomes of bytes that somebody touched on the way."""

import datetime
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from core.errors import RemoteError, TransportClosed
from core.secure import certificates
from core.secure.contexts import Contexts
from core.secure.frames import ALPN, FIRST_BYTE
from tests.secure.sides import ANNA, BERT, MALLORY, THERE, Pair, bytewise, foreign, seal_message, whole
from tests.support.samples import some

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey
Split = Callable[[bytes], list[bytes]]


@pytest.mark.parametrize("split", [whole, bytewise])
def test_both_sides_know_each_other_and_are_understood(split: Split) -> None:
    pair = Pair(expected=BERT.peer_id, split=split).run()
    assert (pair.client.peer_id, pair.server.peer_id) == (BERT.peer_id, ANNA.peer_id)
    pair.say(True, b'["1","fibonacci",1]')
    pair.say(False, b'["1",null,[0]]')
    assert b"".join(pair.to_server) == b'["1","fibonacci",1]'
    assert b"".join(pair.to_client) == b'["1",null,[0]]'


def test_the_first_byte_is_the_sign_that_the_door_looks_for() -> None:
    assert Contexts(ANNA).client(THERE).outgoing()[0] == FIRST_BYTE


def test_nothing_is_readable_on_the_wire() -> None:
    seen = bytearray()

    def note(from_client: bool, data: bytes) -> bytes:
        seen.extend(data)
        return data

    pair = Pair(tamper=note).run()
    pair.say(True, b"a secret of the caller")
    assert pair.to_server == [b"a secret of the caller"]
    assert b"secret" not in seen
    assert ANNA.peer_id.key not in seen, "who calls is told to the called only"
    assert BERT.peer_id.key not in seen, "TLS 1.3 seals certificates"


def test_a_wrong_peer_is_told_nothing() -> None:
    said: list[bytes] = []

    def note(from_client: bool, data: bytes) -> bytes:
        if from_client and data:
            said.append(data)
        return data

    pair = Pair(expected=MALLORY.peer_id, tamper=note).run()
    assert [len(data) > 100 for data in said] == [True, False], "a hello and an alert; no certificate, no proof"
    assert pair.client.error is not None
    assert pair.client.error.name == "ERR_WRONG_PEER"
    assert (pair.client.peer_id, pair.server.peer_id) == (None, None), "not even who we are"
    with pytest.raises(RemoteError, match="who was called"):
        seal_message(pair.client, b"a secret")
    assert isinstance(pair.server.error, RemoteError)


def test_a_session_is_not_usable_before_it_is_established() -> None:
    with pytest.raises(TransportClosed):
        seal_message(Contexts(ANNA).client(THERE), b"early")


# -- certificates that do not count -------------------------------------------------------------------------------


def certificate(key: Key, *, issuer: Key | None = None, days: int = 1, begins: int = -2) -> x509.Certificate:
    """Return one that is self-signed, unless there is an `issuer`; days < 0: expired."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(other if issuer else name)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(now + datetime.timedelta(days=begins))
    signer = issuer or key
    algorithm = None if isinstance(signer, Ed25519PrivateKey | Ed448PrivateKey) else hashes.SHA256()
    return builder.not_valid_after(now + datetime.timedelta(days=days)).sign(signer, algorithm)


def stranger(
    key: Key | None,
    shown: x509.Certificate | None = None,
    *,
    server: bool,
    version: int = SSL.TLS1_3_VERSION,
    protocol: bytes | None = ALPN,
    extra: x509.Certificate | None = None,
) -> SSL.Connection:
    """Return a TLS peer that is not ours and trusts anybody."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(version)
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    if key is not None:
        context.use_privatekey(key)
        context.use_certificate(shown or certificate(key))
    if extra is not None:
        context.add_extra_chain_cert(extra)
    if protocol is not None:
        context.set_alpn_protos([protocol])
        context.set_alpn_select_callback(lambda _, offered: protocol if protocol in offered else offered[0])
    connection = SSL.Connection(context, None)
    connection.set_accept_state() if server else connection.set_connect_state()
    return connection


ED25519 = Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def both_ways(**how: object) -> list[SSL.Connection]:
    """Return the same stranger as a client and as a server."""
    return [stranger(**how, server=server) for server in (False, True)]  # type: ignore[arg-type]


STRANGERS = [
    pytest.param({"key": RSA}, "ERR_CERTIFICATE", id="RSA"),
    pytest.param({"key": EC}, "ERR_CERTIFICATE", id="EC"),
    pytest.param({"key": Ed448PrivateKey.generate()}, "ERR_CERTIFICATE", id="Ed448"),
    pytest.param({"key": ED25519, "shown": certificate(ED25519, issuer=EC)}, "ERR_CERTIFICATE", id="issued by another"),
    pytest.param({"key": ED25519, "extra": certificate(EC)}, "ERR_CERTIFICATE", id="a chain"),
    pytest.param({"key": ED25519, "shown": certificate(ED25519, days=-1)}, "ERR_CERTIFICATE", id="expired"),
    pytest.param({"key": ED25519, "version": SSL.TLS1_2_VERSION}, "ERR_TLS", id="TLS 1.2"),
    pytest.param({"key": ED25519, "protocol": None}, "ERR_TLS", id="no protocol"),
]


@pytest.mark.parametrize("split", [whole, bytewise])
@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
@pytest.mark.parametrize(("how", "name"), STRANGERS)
def test_strangers_are_refused_by_name(how: dict[str, object], name: str, server: bool, split: Split) -> None:
    other = stranger(**how, server=server)  # type: ignore[arg-type]
    ours = Contexts(ANNA).client(THERE) if server else Contexts(ANNA).server()
    foreign(ours, other, split)
    assert ours.error is not None
    assert (ours.error.name, ours.peer_id) == (name, None)
    assert not ours.established


def test_the_stranger_is_refused_for_its_fault_alone() -> None:
    """The one of these tests without a fault is let in."""
    for server in (False, True):
        ours = Contexts(ANNA).client(THERE) if server else Contexts(ANNA).server()
        foreign(ours, stranger(ED25519, server=server))
        assert ours.established, ours.error


@pytest.mark.parametrize(("year", "let_in"), [(1970, True), (2023, True), (2025, False)])
def test_a_clock_that_cannot_be_right_does_not_judge(monkeypatch: pytest.MonkeyPatch, year: int, let_in: bool) -> None:
    """FAULTS.md F9: at 1970 every certificate is of the future; at any other time such a one is refused."""
    monkeypatch.setattr(certificates, "clock", lambda: datetime.datetime(year, 1, 2, tzinfo=datetime.UTC).timestamp())
    for server in (False, True):
        ours = Contexts(ANNA).client(THERE) if server else Contexts(ANNA).server()
        foreign(ours, stranger(ED25519, certificate(ED25519, begins=1, days=9), server=server))
        assert ours.established is let_in, ours.error
    wrong = Contexts(ANNA).server()
    foreign(wrong, stranger(RSA, certificate(RSA, begins=1, days=9), server=False))
    assert not wrong.established


def test_who_shows_no_certificate_is_refused() -> None:
    ours = Contexts(ANNA).server()
    foreign(ours, stranger(None, server=False))
    assert ours.error is not None
    assert ours.error.name == "ERR_CERTIFICATE"
    assert "no certificate" in str(ours.error)


def test_a_certificate_that_no_library_can_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise UnsupportedAlgorithm("a key of the future")

    monkeypatch.setattr(certificates, "_judge", fail)
    pair = Pair().run()
    assert pair.client.error is not None
    assert (pair.client.error.name, pair.client.established) == ("ERR_CERTIFICATE", False)


# -- bytes that are touched on their way --------------------------------------------------------------------------


def flights() -> list[tuple[bool, int]]:
    """Return who speaks and how much, in order, in an undisturbed handshake."""
    said: list[tuple[bool, int]] = []

    def note(from_client: bool, data: bytes) -> bytes:
        if data:
            said.append((from_client, len(data)))
        return data

    Pair(tamper=note).run()
    return said


FLIGHTS = flights()


@pytest.mark.parametrize("step", some([21, 7], 2))
@pytest.mark.parametrize("flight", range(len(FLIGHTS)), ids=["hello", "answer", "proof", "tickets"][: len(FLIGHTS)])
def test_a_bit_flipped_anywhere_in_a_handshake_is_noticed(flight: int, step: int) -> None:
    """A request gets through only on a session that nobody touched: neither side may be wrong about the other."""
    size = FLIGHTS[flight][1]
    for at in range(flight, size, step):
        count = -1

        def flip(from_client: bool, data: bytes, at: int = at) -> bytes:
            nonlocal count
            count += bool(data)
            if not data or count != flight:
                return data
            at = min(at, len(data) - 1)
            return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]

        pair = Pair(expected=BERT.peer_id, tamper=flip).run()
        if pair.client.established:
            assert pair.client.peer_id == BERT.peer_id
        if pair.server.established:
            assert pair.server.peer_id == ANNA.peer_id
        if pair.client.established and pair.server.established:
            assert flight == 3 or at < 5, "only what OpenSSL ignores, a version in a record's header, may be touched"


def changed(kind: str, first: bytes, second: bytes) -> list[bytes]:
    """Return what arrives of two sealed messages after somebody had them."""
    flipped = second[:-1] + bytes((second[-1] ^ 0x80,))
    return {
        "flipped": [first, flipped],
        "dropped": [second],
        "swapped": [second, first],
        "replayed": [first, first],
        "injected": [first, b"\x17\x03\x03\x00\x20" + bytes(32)],
        "plain": [first, b'["1","fibonacci",1]'],
        "shortened": [first, second[:3] + (int.from_bytes(second[3:5], "big") - 1).to_bytes(2, "big") + second[5:-1]],
    }[kind]


@pytest.mark.parametrize("from_client", [True, False], ids=["request", "reply"])
@pytest.mark.parametrize("kind", ["flipped", "dropped", "swapped", "replayed", "injected", "plain", "shortened"])
def test_nothing_altered_comes_through(kind: str, from_client: bool) -> None:
    pair = Pair().run()
    sender = pair.client if from_client else pair.server
    first, second = seal_message(sender, b"first"), seal_message(sender, b"second")
    for piece in changed(kind, first, second):
        pair.carry(from_client, piece)
    receiver, came = (pair.server, pair.to_server) if from_client else (pair.client, pair.to_client)
    assert came in ([b"first"], []), "only what was not touched, and nothing behind it"
    assert isinstance(receiver.error, RemoteError)
    pair.carry(from_client, seal_message(sender, b"third"))
    assert b"third" not in came


def test_what_was_sealed_for_one_session_is_nothing_in_another() -> None:
    one, other = Pair().run(), Pair().run()
    other.carry(True, seal_message(one.client, b"order 1000"))
    assert other.to_server == []
    assert other.server.error is not None


@pytest.mark.parametrize("garbage", [b"\x16", b"\x16\x03\x01\xff\xff" + bytes(200), bytes(500), b"[1,2,3]" * 50])
@pytest.mark.parametrize("server", [True, False])
def test_garbage_ends_in_an_error_or_waits_for_more(garbage: bytes, server: bool) -> None:
    session = Contexts(ANNA).server() if server else Contexts(ANNA).client(THERE)
    assert session.feed(garbage) == []
    assert not session.established
    assert session.error is not None or len(garbage) == 1


# -- the end ------------------------------------------------------------------------------------------------------


def test_a_goodbye_is_told_from_a_cut() -> None:
    pair = Pair().run()
    pair.client.close()
    pair.run()
    assert (pair.server.ended, pair.server.cut()) == (True, None)
    assert isinstance(pair.client.cut(), TransportClosed), "the server said no goodbye"
    with pytest.raises(TransportClosed):
        seal_message(pair.client, b"after the goodbye")


@pytest.mark.parametrize("phase", range(len(FLIGHTS)))
def test_a_stream_that_is_cut_in_any_phase_is_an_error(phase: int) -> None:
    for part in (0.0, 0.5):
        count = -1

        def cut(from_client: bool, data: bytes, part: float = part) -> bytes:
            nonlocal count
            count += bool(data)
            return data if count < phase else data[: int(len(data) * part)] if count == phase else b""

        pair = Pair(tamper=cut).run()
        from_client = FLIGHTS[phase][0]
        receiver = pair.server if from_client else pair.client
        assert isinstance(receiver.cut(), TransportClosed)


def test_an_end_within_a_message_is_an_error_even_with_a_goodbye() -> None:
    pair = Pair().run()
    pair.carry(True, pair.client.seal(b"\x00\x00\x00\x09half"))
    pair.client.close()
    pair.run()
    assert pair.to_server == [b"half"]
    assert isinstance(pair.server.error, RemoteError)


def test_a_message_over_the_limit_ends_the_session_by_name() -> None:
    pair = Pair().run()
    pair.carry(True, pair.client.seal((16 * 1024 * 1024 + 1).to_bytes(4, "big")))
    assert pair.server.error is not None
    assert pair.server.error.name == "ERR_MESSAGE_SIZE"


# -- tickets ------------------------------------------------------------------------------------------------------


def test_a_resumed_session_knows_both_peers_and_shows_no_certificate() -> None:
    anna, bert = Contexts(ANNA), Contexts(BERT)
    first = Pair(anna, bert, expected=BERT.peer_id).run()
    first.keep_ticket()
    second = Pair(anna, bert, expected=BERT.peer_id).run()
    assert (first.client.resumed, first.server.resumed) == (False, False)
    assert (second.client.resumed, second.server.resumed) == (True, True)
    assert (second.client.peer_id, second.server.peer_id) == (BERT.peer_id, ANNA.peer_id)
    second.say(True, b"hello")
    assert second.to_server == [b"hello"]


def test_a_ticket_is_used_once() -> None:
    anna, bert = Contexts(ANNA), Contexts(BERT)
    Pair(anna, bert).run().keep_ticket()
    assert Pair(anna, bert).run().client.resumed
    assert not Pair(anna, bert).run().client.resumed


def test_a_ticket_does_not_make_another_peer_the_expected_one() -> None:
    """The ticket that Mallory gave is offered where Bert is expected: it proves Mallory, who is not Bert."""
    anna, mallory = Contexts(ANNA), Contexts(MALLORY)
    first = Pair(anna, mallory).run()
    first.say(False, b"x")
    anna.keep(THERE, BERT.peer_id, first.client)
    second = Pair(anna, mallory, expected=BERT.peer_id).run()
    assert second.client.error is not None
    assert second.client.error.name == "ERR_WRONG_PEER"
    assert not second.server.established, "the handshake was never finished"


def test_a_ticket_of_one_server_is_nothing_to_another() -> None:
    anna = Contexts(ANNA)
    Pair(anna, Contexts(BERT)).run().keep_ticket()
    second = Pair(anna, Contexts(MALLORY)).run()
    assert (second.client.resumed, second.client.peer_id) == (False, MALLORY.peer_id)
    assert second.server.peer_id == ANNA.peer_id
