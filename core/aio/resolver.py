"""Host names for aiohttp's clients, looked up by `core.aio.names`."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from core.aio.names import look_up


class Resolver(AbstractResolver):
    """Looks names up in threads that do not hold up the end of the program; aiohttp's own ones do."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return a host's addresses. Raises OSError."""
        found = await look_up(host, port, family, socket.SOCK_STREAM)
        return [
            ResolveResult(
                hostname=host, host=str(place[0]), port=int(place[1]), family=int(kind), proto=protocol,
                flags=int(socket.AI_NUMERICHOST | socket.AI_NUMERICSERV),
            )
            for kind, _, protocol, _, place in found
        ]  # fmt: skip

    async def close(self) -> None:
        """See AbstractResolver."""
