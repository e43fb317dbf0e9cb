"""Any bytes at all, in any pieces, to a TLS session that has just begun: nothing raises, nobody becomes known.
It says why it is over, or waits for more; what it keeps of a handshake is bounded.
"""

from core.secure.contexts import Contexts
from core.secure.frames import FIRST_BYTE
from tests.fuzz.inputs import Input, split
from tests.secure.sides import ANNA, BERT, THERE

WATCHED = ["core.secure.session", "core.secure.certificates", "core.secure.contexts"]
_OURS = Contexts(ANNA)
_HELLO = Contexts(BERT).client(THERE).outgoing()
SEEDS = [
    b"\0\0" + _HELLO,
    b"\1\0" + _HELLO,
    b"\0\2\0\5\0\x40" + _HELLO,
    bytes((0, 0, FIRST_BYTE, 3, 1, 0, 4, 1, 0, 0, 0)),
    b'\0\0["1","fibonacci",1]',
]


def run(data: bytes) -> None:
    source = Input(data)
    session = _OURS.server() if source.byte() % 2 == 0 else _OURS.client(THERE, BERT.peer_id)
    session.outgoing()
    cuts = source.cuts()
    said = 0
    for chunk in split(source.rest(), cuts):
        if session.feed(chunk):
            raise AssertionError("a message came before anybody was known")
        said += len(session.outgoing())
    if session.established or session.peer_id is not None:
        raise AssertionError("somebody became known without a proof")
    if said > 20_000:
        raise AssertionError("it says far more than it was told")
    if session.cut() is None or not str(session.error):
        raise AssertionError("no reason was given")
