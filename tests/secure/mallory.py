"""What Mallory does on the wire (`tests.secure.middle`): alters, cuts, poses as both, takes marks away."""

import warnings
from collections.abc import Callable, Iterable

from OpenSSL import crypto

from core.errors import PeerError, RefusedError
from core.identity.identity import Identity
from core.secure.contexts import Contexts
from core.trust.audience import Audience
from core.values import Address, JsonValue, Outcome
from core.wire.utp_packet import EXTENSION_BITS, PacketType
from tests.secure.middle import ANNA_AT, BERT_AT, OPEN, VAULT, Letter, Party, Wire
from tests.secure.sides import MALLORY

FRONT_AT = Address("192.0.2.66", 6001)  # where Mallory answers Anna, as Bert
BACK_AT = Address("192.0.2.66", 6002)  # where Mallory calls Bert, as Anna
Change = Callable[[Letter], Iterable[Letter]]


class Alter:
    """Lets go on what `change` makes of one letter: the `number`th that carries bytes, or of `all_kinds`."""

    def __init__(self, number: int, change: Change, *, all_kinds: bool = False) -> None:
        self._left = number
        self._change = change
        self._all_kinds = all_kinds

    def __call__(self, letter: Letter) -> Iterable[Letter]:
        if not (self._all_kinds or letter.payload):
            return [letter]
        self._left -= 1
        return self._change(letter) if self._left == -1 else [letter]


def flip(at: int) -> Change:
    """Flip a bit of the byte `at` of what a letter carries, behind a header that is right."""
    return lambda letter: [letter.having(payload=flipped(letter.payload, at))]


def flip_header(at: int) -> Change:
    """Flip a bit of the byte `at` of the whole datagram."""
    return lambda letter: [letter._replace(data=flipped(letter.data, at))]


def flipped(data: bytes, at: int) -> bytes:
    """Return `data` with one bit of a byte flipped, another one for each byte."""
    return data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :]


def payload(change: Callable[[bytes], bytes]) -> Change:
    """Change what a letter carries, behind a header that is right."""
    return lambda letter: [letter.having(payload=change(letter.payload))]


class Swap:
    """Exchanges what two letters carry: the `number`th of a source and its next."""

    def __init__(self, source: Address, number: int) -> None:
        self._source = source
        self._left = number
        self._held: Letter | None = None

    def __call__(self, letter: Letter) -> Iterable[Letter]:
        if letter.source != self._source or not letter.payload:
            return [letter]
        self._left -= 1
        if self._left == -1:
            self._held = letter
            return []
        held = self._held
        if held is None:
            return [letter]
        if held.packet.seq == letter.packet.seq:  # sent again
            return []
        self._held = None
        return [held.having(payload=letter.payload), letter.having(payload=held.payload)]


class Cut:
    """Ends a connection in a sender's name, in place of the `number`th letter that it fills, and swallows the rest."""

    def __init__(self, source: Address, number: int, kind: PacketType) -> None:
        self._source = source
        self._left = number
        self._kind = kind
        self._cut: int | None = None  # the connection

    def __call__(self, letter: Letter) -> Iterable[Letter]:
        if letter.source != self._source:
            return [letter]
        if self._cut is not None:
            return [] if letter.packet.connection_id == self._cut else [letter]
        self._left -= bool(letter.payload)
        if self._left >= 0:
            return [letter]
        self._cut = letter.packet.connection_id
        return [letter.having(type=self._kind, payload=b"")]


class Proxy:
    """Ends Anna's session in Bert's place, begins another with Bert in Anna's, and passes on what he reads."""

    def __init__(self, wire: Wire, front: Contexts, back: Contexts) -> None:
        self.front = Party(wire, FRONT_AT, front)
        self.back = Party(wire, BACK_AT, back)
        self.front.permissions.set_audience(VAULT, Audience.ANYONE)
        self.front.permissions.set_audience(OPEN, Audience.ANYONE)
        self.front.answer = self._relay
        wire.on_path = self.redirect

    def redirect(self, letter: Letter) -> list[Letter]:
        """Put himself in both their places, at their addresses."""
        match letter.source, letter.to:
            case (source, to) if (source, to) == (ANNA_AT, BERT_AT):
                return [letter._replace(to=FRONT_AT)]
            case (source, to) if (source, to) == (BERT_AT, ANNA_AT):
                return [letter._replace(to=BACK_AT)]
            case (source, _) if source == FRONT_AT:
                return [letter._replace(source=BERT_AT)]
        return [letter._replace(source=ANNA_AT)]

    def _relay(self, key: str, payload: JsonValue) -> Outcome:
        return self._ask(key, payload)

    async def _ask(self, key: str, payload: JsonValue) -> JsonValue:
        outcome = await self.back.ask(payload, key, expected=None)
        if isinstance(outcome, PeerError):
            raise RefusedError(str(outcome), name=outcome.name)
        return outcome.data

    async def close(self) -> None:
        """Leave."""
        await self.front.close()
        await self.back.close()


def with_key_of(owner: Identity) -> Contexts:
    """Return Mallory's own, with a certificate that names the owner's key, which Mallory does not have.

    OpenSSL refuses a certificate that does not fit the private key, but does not look again when it is shown.
    """
    certificate = crypto.X509.from_cryptography(MALLORY.certificate)
    contexts = Contexts(MALLORY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a certificate that can be changed
        for context in (contexts._client, contexts._server):
            context.use_certificate(certificate)
        certificate.set_pubkey(crypto.PKey.from_cryptography_key(owner.private_key.public_key()))
    return contexts


def unmarked(letter: Letter) -> Letter:
    """Return it without what our peers say of themselves."""
    kept = tuple(each for each in letter.packet.extensions if each[0] != EXTENSION_BITS)
    return letter.having(extensions=kept)
