"""Why a request is refused before a service is asked, in words for its caller."""

from core.errors import LocalError


class UnknownService(LocalError):
    """The caller asked for something that is not shared here; the sentence is sent to it."""

    name = "ERR_SERVICE_UNKNOWN"


class RateLimited(LocalError):
    """A caller asks too much; the sentence says when it may ask again."""

    name = "ERR_RATE_LIMITED"
