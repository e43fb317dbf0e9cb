"""A grape, or a peer with a key, that answers a search for a record with anything at all.

Invariant: a record is found that its peer signed, or one of three named errors is raised, and memory stays bounded.
"""

import asyncio
import base64
import time

from hypothesis import given
from hypothesis import strategies as st

from core.directory.records.check import RecordExpired, RecordForged, RecordMissing
from core.directory.records.finder import Finder
from core.identity.identity import Identity
from core.values import JsonValue
from core.wire.bencoding import encode
from tests.directory.records.fakes import answer, record_of
from tests.wire.test_bencoding import values

PEERS = [Identity.from_secret(bytes([number]) * 32) for number in range(1, 6)]
NOW = int(time.time())

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
fields = st.sampled_from(["v", "k", "sig", "seq", "salt", "id", "token"])
answers = st.dictionaries(fields, json_values | st.binary(min_size=64, max_size=64).map(bytes.hex), max_size=7)
# what a key's owner may sign: bytes, text of bytes, text of any bencoded value, and good records
texts = st.one_of(
    st.text(max_size=1100).map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=800).map(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")),
    values.map(lambda value: base64.urlsafe_b64encode(encode(value)).rstrip(b"=")),
    st.builds(
        lambda peer, at, life: record_of(peer, at=at, life=life).value(),
        st.sampled_from(PEERS), st.integers(NOW - 9000, NOW + 9000), st.integers(0, 9000),
    ),
)  # fmt: skip


class Grape:
    """Answers what it is told to."""

    def __init__(self) -> None:
        self.answer: dict[str, JsonValue] = {}

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        return self.answer


def found(finder: Finder, peer: Identity) -> bool:
    try:
        record = asyncio.run(finder.find(peer.peer_id))
    except (RecordForged, RecordExpired, RecordMissing):
        return False
    assert record.peer_id == peer.peer_id
    assert record.expires > time.time() - 600
    assert record.services
    return True


@given(answers)
def test_whatever_a_grape_makes_up_is_forged(made_up: dict[str, JsonValue]) -> None:
    grape = Grape()
    grape.answer = made_up
    assert not found(Finder(grape), PEERS[0])


@given(
    st.lists(st.tuples(st.sampled_from(PEERS), st.sampled_from(PEERS), texts, st.integers(0, 2**63 - 1)), max_size=6)
)
def test_whatever_is_signed_is_a_record_in_time_or_refused(
    told: list[tuple[Identity, Identity, bytes, int]],
) -> None:
    grape, newest = Grape(), dict[Identity, int]()
    finder = Finder(grape, max_known=3)
    for wanted, signer, text, sequence in told:
        grape.answer = answer(signer, record_of(signer), sequence, value=text)
        if found(finder, wanted) and wanted is signer:
            newest[wanted] = max(sequence, newest.get(wanted, 0))
        assert finder.statistics().known <= min(3, len(newest))
