"""Write tokens (BEP 5): they prove that whoever announces or puts receives at the IP it sends from."""

import hashlib
import hmac
from random import Random

TOKEN_BYTES = 20  # as the Node grape's; a whole HMAC-SHA1
SECRET_BYTES = 20  # as long as the digest: more adds nothing (RFC 2104 section 3)


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
    return hmac.digest(secret, host.encode(), hashlib.sha1)
