"""Write tokens (BEP 5): they prove that a node that announces or puts receives at the IP it sends from."""

import hashlib
import hmac
from random import Random

TOKEN_BYTES = 20  # as the Node grape's
SECRET_BYTES = 20  # as long as the digest: more adds nothing


class Tokens:
    """Issues and checks tokens. Each is valid for one to two `rotation` periods (seconds)."""

    def __init__(self, random: Random, rotation: float, now: float) -> None:
        self._random = random
        self._rotation = rotation
        self._current = random.randbytes(SECRET_BYTES)
        self._previous = random.randbytes(SECRET_BYTES)
        self._rotated_at = now

    def issue(self, host: str, now: float) -> bytes:
        """Return the token that `host` may write with."""
        self._rotate(now)
        return _token(self._current, host)

    def valid(self, token: bytes, host: str, now: float) -> bool:
        """Say whether `token` was issued to `host` under the current or the previous secret. Takes constant time."""
        self._rotate(now)
        current = hmac.compare_digest(token, _token(self._current, host))
        previous = hmac.compare_digest(token, _token(self._previous, host))
        return current or previous

    def _rotate(self, now: float) -> None:
        periods = int((now - self._rotated_at) / self._rotation)
        for _ in range(min(periods, 2)):  # after two, nothing of the past is left
            self._previous, self._current = self._current, self._random.randbytes(SECRET_BYTES)
        self._rotated_at += max(periods, 0) * self._rotation


def _token(secret: bytes, host: str) -> bytes:
    # Keyed BLAKE2 is a MAC by itself (RFC 7693 section 2.9), and 20 times as fast as OpenSSL's HMAC-SHA1.
    return hashlib.blake2s(host.encode(), key=secret, digest_size=TOKEN_BYTES).digest()
