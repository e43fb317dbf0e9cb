"""What every kind of service has in common."""

import abc
from typing import ClassVar, NamedTuple

from core.errors import LocalError
from core.kinds.share import Share, check_options
from core.services.personal import is_personal
from core.services.service import Service
from core.tunnel.stream import ByteStream
from core.values import Caller, JsonValue, Outcome
from core.wire.stream_opening import Opening

NOT_JSON = "ERR_NOT_JSON"
NOT_A_STREAM = "ERR_NOT_A_STREAM"


class Check(NamedTuple):
    """Whether what is shared is there at this moment, in words for its owner."""

    ok: bool
    sentence: str


class Shared(abc.ABC):
    """A share that runs. Subclasses say what they answer: JSON requests, byte streams, or both.

    `start` and `aclose` are called once each; a service is called only in between.
    """

    kind: ClassVar[str]
    options: ClassVar[frozenset[str]]  # those that this kind knows

    def __init__(self, share: Share) -> None:
        """Raises LocalError for options that this kind does not take."""
        check_options(share, self.options)
        self.share = share
        self.name = share.name
        self.example: JsonValue = None

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """What is shared, for those who may use it. It tells no paths and no addresses of the home."""

    async def start(self) -> None:  # noqa: B027 - most kinds have nothing to start
        """Get ready. Raises LocalError when that cannot be."""

    async def aclose(self) -> None:  # noqa: B027 - and nothing to end
        """End everything that was started."""

    async def check(self) -> Check:
        """Look whether what is shared is there."""
        return Check(True, "Ready.")

    @property
    def takes_streams(self) -> bool:
        """Whether it serves byte streams; what does not answers JSON requests only."""
        return type(self).serve is not Shared.serve

    def warnings(self) -> list[str]:
        """Return what its owner should know before sharing it, as sentences."""
        return []

    def handle(self, payload: JsonValue, caller: Caller) -> Outcome:
        """Answer a JSON request."""
        raise LocalError(f"{self.name} takes no JSON requests: use 'grapevine open'", name=NOT_JSON)

    async def serve(self, stream: ByteStream, opening: Opening, caller: Caller) -> None:
        """Serve one byte stream until it is over: `accept` it first. Raises PeerError to refuse it in words.

        The caller of this method ends the stream when it returns, raises or is cancelled, with the reason.
        """
        raise LocalError(f"{self.name} answers JSON requests: use 'grapevine request'", name=NOT_A_STREAM)


def is_own(service: Service) -> bool:
    """Return whether a service is one of the program's own: shares have rows of their own."""
    return not isinstance(service, Shared) and not is_personal(service.name)
