"""What two peers leave for one another at a broker: nobody else reads it, forges it, or sends it back."""

import base64

import pytest

from core.identity.identity import Identity
from core.nat.report import Filtering, Mapping, Ports
from core.nat.side import Side
from core.rendezvous.sealing import Sealer, Word
from core.values import Address
from core.wire.broker_message import MAIL_BYTES
from core.wire.probe_packet import ProbeKind

SIDE = Side(Address("198.51.100.1", 40000), Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.STRICT, Ports.BLOCK,
            block=(42000, 43007), hosts=2, carrier=True)  # fmt: skip
ANNA, BERT, EVE = (Identity.from_secret(bytes([number]) * 32) for number in (1, 2, 3))


def test_the_other_side_reads_it_and_nobody_else_does() -> None:
    word = Word(SIDE, b"climb")
    text = Sealer(ANNA, BERT.peer_id).seal(word)
    assert len(text) <= MAIL_BYTES
    assert Sealer(BERT, ANNA.peer_id).open(text) == word
    assert Sealer(EVE, ANNA.peer_id).open(text) is None
    assert Sealer(EVE, BERT.peer_id).open(text) is None
    assert Sealer(ANNA, BERT.peer_id).open(text) is None  # sent back
    assert SIDE.address.host not in str(base64.b64decode(text))


@pytest.mark.parametrize("text", ["", "A", "AAAA", "é" * 40, "A" * 200, base64.b64encode(bytes(80)).decode()])
def test_anything_else_is_no_word(text: str) -> None:
    assert Sealer(BERT, ANNA.peer_id).open(text) is None


def test_a_changed_bit_is_noticed() -> None:
    data = bytearray(base64.b64decode(Sealer(ANNA, BERT.peer_id).seal(Word(SIDE))))
    for at in range(len(data)):
        changed = bytes(byte ^ (1 if number == at else 0) for number, byte in enumerate(data))
        assert Sealer(BERT, ANNA.peer_id).open(base64.b64encode(changed).decode()) is None


def test_both_have_one_codec_and_different_roles() -> None:
    anna, bert = Sealer(ANNA, BERT.peer_id), Sealer(BERT, ANNA.peer_id)
    assert anna.first != bert.first
    probe = anna.codec.pack(ProbeKind.PROBE, b"12345678")
    assert bert.codec.parse(probe) is not None
    assert anna.codec.parse(probe) is None
    assert Sealer(EVE, ANNA.peer_id).codec.parse(probe) is None
