"""What is told of the router's port."""

from core.frozen import frozen
from core.values import Address


@frozen
class PortOpen:
    """What the router does for us. `address` None: it opens nothing; `words` say why. `how`: the protocol."""

    address: Address | None = None
    how: str = ""
    words: str = ""
