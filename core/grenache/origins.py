"""Tells requests of web pages from those of programs, as a grape does; pages that the owner named may call."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.grape.forgeries import Forgery, ForgeryCheck

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy


class OriginCheck:
    """Looks at the header of each request, and of each upgrade."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._forgeries = ForgeryCheck()

    def forgery(self, headers: "CIMultiDictProxy[str]") -> Forgery | None:
        """Return why a request is refused, None if it is not."""
        if self.origin(headers) is not None:
            return None
        found = self._forgeries.forgery(headers)
        if found is not None and found.field == "Host":
            return Forgery("Host", "the Host is a name, which any web page can have: use the IP address")
        return found

    def origin(self, headers: "CIMultiDictProxy[str]") -> str | None:
        """Return the origin of a page that may call; browsers send one, and no page can choose it."""
        given = headers.getall("Origin", [])
        return given[0] if len(given) == 1 and given[0].lower() in self._origins else None
