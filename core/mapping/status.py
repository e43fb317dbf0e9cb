"""What is told of the router's port."""

from dataclasses import dataclass

from core.values import Address


@dataclass(frozen=True, slots=True)
class PortOpen:
    """What the router does for us. `address` None: it opens nothing; `words` say why. `how`: the protocol."""

    address: Address | None = None
    how: str = ""
    words: str = ""
