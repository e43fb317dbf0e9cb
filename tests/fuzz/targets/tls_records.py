"""Two TLS sessions with somebody in between who alters, cuts, repeats, swaps, joins and makes up what they say.
What comes out is what was said, in order, from the peer that said it, up to where it was touched; and nothing raises.
"""

from core.errors import PeerError
from core.secure.contexts import Contexts
from core.secure.session import TlsSession
from tests.fuzz.inputs import Input
from tests.secure.sides import ANNA, BERT, THERE, seal_message

WATCHED = ["core.secure.session", "core.secure.certificates", "core.secure.frames", "core.secure.contexts"]
_ANNA, _BERT = Contexts(ANNA), Contexts(BERT)
SEEDS = [
    b"",
    b"\0\0\0\0" + b"\0" * 30,
    b"\1\0\x40\1",
    b"\0\0\1\0\x10\x80",
    b"\0\0\0\2\3\4\5\6" * 4,
    bytes(12) + b"\5\0\1\0\7" * 4,
]
MAX_INPUT = 400
_SAID = [b'["%d","fibonacci",{"length":10}]' % number for number in range(5)]


class Path:
    """What somebody in between does to each thing that is said."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._heard: list[bytes] = []
        self.touched = False

    def carried(self, data: bytes) -> list[bytes]:
        """Return what arrives in place of this."""
        source = self._source
        self._heard = [*self._heard[-6:], data]
        what = source.byte() % 8 if source else 0
        at = source.number(len(data)) if what else 0
        if what in (0, 7):
            return [data[:at], data[at:]]
        self.touched = True
        match what:
            case 1:
                return [data[:at] + bytes([data[at] ^ (source.byte() or 1)]) + data[at + 1 :]]
            case 2:
                return [data[:at]]
            case 3:
                return [data[:at], source.block(), data[at:]]
            case 4:
                return [data, source.choose(self._heard)]
            case 5:
                return [source.choose(self._heard), data]
        return [data[at:]]


def run(data: bytes) -> None:
    source = Input(data)
    path = Path(source)
    client, server = _ANNA.client(THERE, BERT.peer_id), _BERT.server()
    came = shake(client, server, path)
    for message in _SAID:
        said(client, server, message, path, came)
        said(server, client, message, path, came)
    for session, other in ((client, BERT), (server, ANNA)):
        if session.peer_id not in (None, other.peer_id):
            raise AssertionError(f"{session.peer_id} is none of those that were there")
        got = b"".join(came[session])
        whole = b"".join(_SAID)
        if not whole.startswith(got) or (not path.touched and got != whole):
            raise AssertionError(f"{got!r} came out")


def shake(client: TlsSession, server: TlsSession, path: Path) -> dict[TlsSession, list[bytes]]:
    """Carry the handshake."""
    came: dict[TlsSession, list[bytes]] = {client: [], server: []}
    for _ in range(6):
        for speaker, listener in ((client, server), (server, client)):
            out = speaker.outgoing()
            for piece in path.carried(out) if out else []:
                came[listener] += listener.feed(piece)
    return came


def said(
    speaker: TlsSession, listener: TlsSession, message: bytes, path: Path, came: dict[TlsSession, list[bytes]]
) -> None:
    """Say something, if it can be said."""
    try:
        sealed = seal_message(speaker, message)
    except PeerError:
        return
    for piece in path.carried(sealed):
        came[listener] += listener.feed(piece)
    listener.outgoing()
