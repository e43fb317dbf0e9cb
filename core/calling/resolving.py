"""What a key and an address mean that a person wrote or a grape lists."""

from core.errors import LocalError
from core.net.udp import destination
from core.services.names import Role, RoleName
from core.values import Address


def worker_in(key: str) -> RoleName | None:
    """Return the worker that a key means; None for a key that is no worker's: nobody punches us for it."""
    name = RoleName.parse(key)
    return name if name is not None and name.role is Role.WORKER else None


async def resolve(target: str) -> Address:
    """Return the address that a person wrote as `host:port`. Raises LocalError."""
    try:
        wanted = Address.parse(target)
    except ValueError as error:
        raise LocalError(str(error)) from None
    return await destination(wanted)
