"""Where to listen, as people write it."""

from typing import Final

from core.values import Address

LOOPBACK: Final = "127.0.0.1"


def read_place(text: str) -> tuple[str, int]:
    """Read `PORT`, `HOST:PORT` or `[HOST]:PORT`; without a host it is this machine. Raises ValueError."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65536:
        return LOOPBACK, int(text)
    if text.count(":") > 1 and not text.startswith("["):  # as settings of before kept it
        host, _, number = text.rpartition(":")
        text = f"[{host}]:{number}"
    host, port = Address.parse(text)
    return host, port
