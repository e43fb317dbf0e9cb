"""Tags by which people recognise each other on a network, and nobody else does. Pure.

A tag is made of a secret that two share and of the instance's name, which is another each day. So a stranger cannot
tell who is there, nor that two instances are one peer, and a tag that is copied to another name is worth nothing. As
many random ones are added as hide how many people one knows.
"""

import hmac
from collections.abc import Collection
from random import Random
from typing import Final

TAG_BYTES: Final = 4  # of 60 tags and 256 people one fits by chance once in 280,000; then TLS finds nobody there
MOST_TAGS: Final = 60  # 240 bytes: a string of a TXT record has 255 at most (RFC 6763 section 6.1)
_STEP: Final = 12  # tags that there are at least, and by which their number grows
_LABEL: Final = b"grapevine lan tag 1"


def tag(secret: bytes, name: str) -> bytes:
    """Return what the instance `name` shows to the other holder of this secret."""
    return hmac.digest(secret, _LABEL + name.encode(), "sha256")[:TAG_BYTES]


def pack(secrets: Collection[bytes], name: str, random: Random) -> bytes:
    """Return the tags of the first `MOST_TAGS` secrets in an order that says nothing, filled up with random ones."""
    tags = [tag(each, name) for each in list(secrets)[:MOST_TAGS]]
    room = max(_STEP, -(-len(tags) // _STEP) * _STEP)
    tags += [random.randbytes(TAG_BYTES) for _ in range(room - len(tags))]
    random.shuffle(tags)
    return b"".join(tags)


def unpack(data: bytes) -> frozenset[bytes]:
    """Return the tags that an instance shows; none for nonsense."""
    if len(data) % TAG_BYTES or len(data) > MOST_TAGS * TAG_BYTES:
        return frozenset()
    return frozenset(data[at : at + TAG_BYTES] for at in range(0, len(data), TAG_BYTES))
