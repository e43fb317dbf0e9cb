"""Keys, certificates, exports."""

import hashlib

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.errors import LocalError
from core.identity.identity import Identity, _montgomery
from core.peer_id import PeerId


def test_a_key_gives_always_the_same_id_and_certificate() -> None:
    first = Identity.generate()
    again = Identity.from_secret(first.secret)
    assert again.peer_id == first.peer_id
    assert again.certificate == first.certificate
    assert Identity.generate().peer_id != first.peer_id


def test_the_certificate_is_of_this_key_and_says_nothing_else() -> None:
    identity = Identity.generate()
    certificate = identity.certificate
    public = certificate.public_key()
    assert isinstance(public, Ed25519PublicKey)
    assert public.public_bytes_raw() == identity.peer_id.key
    certificate.verify_directly_issued_by(certificate)
    assert [each.value for each in certificate.subject] == ["grapevine"]
    assert list(certificate.extensions) == []


def test_signatures_verify_by_the_id() -> None:
    identity = Identity.generate()
    key = Ed25519PublicKey.from_public_bytes(identity.peer_id.key)
    key.verify(identity.sign(b"what was said"), b"what was said")


def test_an_export_comes_back_with_its_passphrase_only() -> None:
    identity = Identity.generate()
    data = identity.export("a long passphrase")
    assert identity.secret not in data
    assert Identity.from_pem(data, "a long passphrase").peer_id == identity.peer_id
    with pytest.raises(LocalError, match="wrong") as wrong:
        Identity.from_pem(data, "another passphrase")
    assert wrong.value.name == "ERR_PASSPHRASE"
    with pytest.raises(LocalError, match="missing"):
        Identity.from_pem(data, None)


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(LocalError, match="at least 8"):
        Identity.generate().export("short")


def test_what_is_no_export_is_refused_in_words() -> None:
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data, sentence in (
        (b"", "not an exported identity"),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "damaged"),
        (other, "not an Ed25519 key"),
        (b"x" * 20_000, "far too large"),
    ):
        with pytest.raises(LocalError, match=sentence):
            Identity.from_pem(data, "a passphrase")


def test_a_passphrase_may_be_any_bytes_but_not_too_many() -> None:
    identity = Identity.generate()
    odd = "gr\u00fc\u00dfe \udcff\udc80"  # as the environment hands over what is no UTF-8
    assert Identity.from_pem(identity.export(odd), odd).peer_id == identity.peer_id
    with pytest.raises(LocalError, match="at most 1023 bytes") as refused:
        identity.export("x" * 1024)
    assert refused.value.name == "ERR_PASSPHRASE"


def test_a_key_of_a_kind_that_the_library_does_not_know_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise UnsupportedAlgorithm("a curve of the future")

    monkeypatch.setattr("cryptography.hazmat.primitives.serialization.load_pem_private_key", unsupported)
    with pytest.raises(LocalError, match="not an exported identity"):
        Identity.from_pem(b"-----BEGIN PRIVATE KEY-----", None)


def test_a_key_without_a_passphrase_is_written_as_the_library_writes_it_and_read_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    identity = Identity.generate()
    written = identity.to_pem(None)
    assert written == identity.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    monkeypatch.delattr("cryptography.hazmat.primitives.serialization.load_pem_private_key")
    assert Identity.from_pem(written, None).secret == identity.secret


@pytest.mark.parametrize("change", [(b"MC4C", b"MC4D"), (b"\n-----END", b"AAAA\n-----END"), (b"CAQAwB", b"C*QAwB")])
def test_a_damaged_key_is_refused_in_words(change: tuple[bytes, bytes]) -> None:
    written = Identity.generate().to_pem(None)
    damaged = written.replace(*change)
    assert damaged != written
    with pytest.raises(LocalError, match="not an exported identity"):
        Identity.from_pem(damaged, None)


def test_an_identity_never_prints_its_key() -> None:
    identity = Identity.generate()
    assert repr(identity) == f"<Identity {identity.peer_id.short}>"
    with pytest.raises(LocalError, match="32 bytes"):
        Identity.from_secret(b"short")


def test_two_agree_on_what_nobody_else_knows() -> None:
    ours, theirs, other = (Identity.from_secret(bytes([number]) * 32) for number in (1, 2, 3))
    secret = ours.agree(theirs.peer_id, b"lan")
    assert secret == theirs.agree(ours.peer_id, b"lan")
    assert len({secret, ours.agree(theirs.peer_id, b"mail"), ours.agree(other.peer_id, b"lan")}) == 3
    public = X25519PrivateKey.from_private_bytes(hashlib.sha512(ours.secret).digest()[:32]).public_key()
    assert public.public_bytes_raw() == _montgomery(ours.peer_id.key)


@pytest.mark.parametrize("y", [0, 1, 2**255 - 20])  # of small order, and the neutral element
def test_nothing_is_agreed_upon_with_a_key_that_everybody_knows(y: int) -> None:
    with pytest.raises(LocalError, match="nothing can be agreed"):
        Identity.generate().agree(PeerId(y.to_bytes(32, "little")), b"lan")
