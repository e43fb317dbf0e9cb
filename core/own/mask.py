"""An identity for one run, for strangers that help us: they see our address, and not who we are."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # loads OpenSSL
    from core.secure.contexts import Contexts


class Mask:
    """Makes its identity when it is first needed. Nobody is told that it is ours, and nothing is kept of it."""

    def __init__(self) -> None:
        self._contexts: Contexts | None = None
        self._making = asyncio.Lock()

    async def contexts(self) -> "Contexts | None":
        """Return what makes encrypted sessions under it."""
        async with self._making:
            if self._contexts is None:
                self._contexts = await asyncio.to_thread(_make)
        return self._contexts

    def change(self) -> None:
        """Be somebody else from the next connection on: we are on another network, say."""
        self._contexts = None


def _make() -> "Contexts":
    from core.identity.identity import Identity
    from core.secure.contexts import Contexts

    return Contexts(Identity.generate())
