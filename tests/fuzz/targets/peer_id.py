"""What a person typed is a Peer ID, which reads back as itself, or ValueError with a sentence; nothing else.
An ID with one character changed, or two neighbours swapped, is refused (but the pair that Luhn cannot tell).
"""

from core.calling.target import peer_target
from core.errors import LocalError
from core.peer_id import PeerId, looks_like_id
from core.values import Address

WATCHED = ["core.peer_id", "core.calling.target", "core.values"]
_GOOD = str(PeerId(bytes(range(32))))
SEEDS = [
    _GOOD.encode(),
    f"{_GOOD.lower().replace('-', ' ')}/fibonacci".encode(),
    _GOOD.translate(str.maketrans("OIB", "018")).encode(),
    b"192.0.2.7:20001",
    b"fibonacci_worker",
]
MAX_INPUT = 300


def run(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    looks = looks_like_id(text)
    try:
        found = PeerId.parse(text)
    except ValueError as error:
        if not 0 < len(str(error)) < 300:
            raise AssertionError("no sentence") from error
    else:
        if not looks or PeerId.parse(str(found)) != found:
            raise AssertionError(f"{found} is not what it reads back as")
        mistype(found, sum(data))
    try:
        target = peer_target(text)
        if target is not None and target.service == "":
            raise AssertionError("a service without a name")
    except LocalError:
        pass
    try:
        address = Address.parse(text)
    except ValueError:
        return
    if Address.parse(str(address)) != address and address.host == address.host.strip():
        raise AssertionError(f"{address} is not what it reads back as")


def mistype(found: PeerId, choice: int) -> None:
    """Change one character of a good ID: it must be refused."""
    text = list(str(found).replace("-", ""))
    at = choice % len(text)
    text[at] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[(ord(text[at]) + choice // 56) % 32]
    if "".join(text) == str(found).replace("-", ""):
        return
    try:
        PeerId.parse("".join(text))
    except ValueError:
        return
    raise AssertionError("a mistyped ID was taken")
