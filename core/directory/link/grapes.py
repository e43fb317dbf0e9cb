"""Which of several grapes is used: the first that answers, and the first in the list again when it is back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from core.aio.tasks import TaskSet
from core.directory.link.config import LinkConfig
from core.errors import LocalError, LookupEmpty, PeerError, RefusedError, RemoteError, RequestTimeout, Unreachable
from core.frozen import frozen

ResultT = TypeVar("ResultT")

PARDON = 60.0  # seconds for which a grape that does only a part is asked after those that do all
STEADY = frozenset({"lookup", "announce"})  # refusing these is about the grape; refusing a put, about what is put

log = logging.getLogger(__name__)


@frozen
class LinkState:
    """The grape in use. `reachable` is None until it was asked something.

    `message`: why it is not reachable, or what it does not do though it is; "" when all is well.
    """

    url: str
    reachable: bool | None
    fallback: bool  # not the first of the list
    message: str = ""


def check_urls(urls: Sequence[str], max_urls: int) -> tuple[str, ...]:
    """Return the URLs without trailing slashes and repetitions. Raises LocalError that says what is wrong."""
    checked: dict[str, None] = {}
    for url in urls:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise LocalError(f"{url!r} is not a grape's address: write it like http://192.0.2.7:30001")
        checked[url.rstrip("/")] = None
    if not checked:
        raise LocalError("a link needs the address of at least one grape, as in http://127.0.0.1:30001")
    if len(checked) > max_urls:
        raise LocalError(f"{len(checked)} grapes are too many: {max_urls} at most")
    return tuple(checked)


def _shown(state: LinkState) -> tuple[object, ...]:
    """Return what of a state is news: one fault's words may change with every failure, that there is one does not."""
    return state.url, state.reachable, bool(state.message)


class Grapes:
    """Runs requests on the best grape; those that failed are asked last, and looked after in the background.

    `probe(url)` tells whether a grape answers at all. `on_state` is called on every change of LinkState.
    """

    def __init__(
        self, urls: tuple[str, ...], config: LinkConfig, probe: Callable[[str], Awaitable[bool]], tasks: TaskSet
    ) -> None:
        self._urls = urls
        self._config = config
        self._probe = probe
        self._tasks = tasks
        self._down: set[str] = set()
        self._serves: dict[str, set[str]] = {url: set() for url in urls}  # the kinds of request that go well there
        self._faults: dict[str, dict[str, str]] = {url: {} for url in urls}  # the kinds that do not, and why
        self._pardon_at: dict[str, float] = {}  # when a grape that does only a part is tried in its turn again
        self._watching = False
        self.state = LinkState(urls[0], None, fallback=False)
        self.on_state: Callable[[LinkState], None] | None = None
        self.on_recovery: Callable[[], None] | None = None

    # -- requests

    async def run(self, request: Callable[[str], Awaitable[ResultT]], *, tries: int, kind: str = "") -> ResultT:
        """Return the first answer: `tries` in all, but each grape at least once. `kind`: what is requested.

        An error name and "nobody" are answers. When no grape gives any: RequestTimeout or Unreachable that names the
        URLs, or RemoteError for nonsense.
        """
        error: PeerError | None = None
        to_ask: list[str] = []
        for attempt in range(max(tries, len(self._urls))):
            if not to_ask:
                if attempt:
                    await asyncio.sleep(self._config.retry_delay)
                to_ask = self._order()
            url = to_ask.pop(0)
            try:
                result = await request(url)
            except LookupEmpty:
                self._up(url, kind)
                raise
            except RefusedError as refusal:
                self._up(url, kind, refusal if kind in STEADY else None)
                raise
            except (RemoteError, Unreachable) as failure:
                error = failure
                self._failed(url, kind, failure)
            else:
                self._up(url, kind)
                return result
        raise self._summary(error)

    def _order(self) -> list[str]:
        # stable: the list's order among equals; a grape that does only a part comes behind one that does all
        now = asyncio.get_running_loop().time()
        return sorted(self._urls, key=lambda url: (url in self._down, now < self._pardon_at.get(url, 0.0)))

    def _summary(self, error: PeerError | None) -> PeerError:
        if error is None:
            return LocalError("there are no grapes to ask")
        if len(self._urls) == 1 or not isinstance(error, Unreachable):
            return error
        kind = RequestTimeout if isinstance(error, RequestTimeout) else Unreachable
        return kind(f"none of the grapes {', '.join(self._urls)} can be reached; the last: {error}")

    # -- state

    def begin_again(self) -> None:
        """Hold no failure of before against a grape: we slept, or are on another network."""
        self._down.clear()
        self._pardon_at.clear()

    def _up(self, url: str, kind: str, refusal: RefusedError | None = None) -> None:
        self._down.discard(url)
        if refusal is not None:
            self._fault(url, kind, refusal)
        else:
            self._serves[url].add(kind)
            self._faults[url].pop(kind, None)
            if not self._faults[url]:
                self._pardon_at.pop(url, None)
        self._choose()

    def _failed(self, url: str, kind: str, failure: PeerError) -> None:
        """Note a failure; a grape is down when it does nothing else well either, or nobody is there at all."""
        log.debug("%s at %s failed: %s", kind or "a probe", url, failure)
        serves = self._serves[url]
        serves.discard(kind)
        self._fault(url, kind, failure)
        if isinstance(failure, Unreachable) and not isinstance(failure, RequestTimeout):
            serves.clear()
        if not serves:
            self._down.add(url)
            self._faults[url].clear()
            self._pardon_at.pop(url, None)  # it does nothing: that is said already
        self._choose(str(failure))
        if not self._watching:
            self._watching = True
            self._tasks.spawn(self._watch(), name="look whether a better grape is back")

    def _fault(self, url: str, kind: str, error: PeerError) -> None:
        self._faults[url][kind] = str(error)
        self._pardon_at[url] = asyncio.get_running_loop().time() + PARDON

    def _choose(self, message: str = "") -> None:
        """Write the state: the first grape that is not down, else the first of all as unreachable."""
        before = self.state
        url = self._order()[0]
        if url in self._down:
            self._enter(LinkState(url, False, fallback=False, message=message))
        else:
            fault = next(iter(self._faults[url].values()), "")
            self._enter(LinkState(url, True, fallback=url != self._urls[0], message=fault))
        recovered = self.state.reachable and (before.url != self.state.url or before.reachable is False)
        if recovered and self.on_recovery is not None:
            self.on_recovery()

    def _enter(self, state: LinkState) -> None:
        """The only line that writes `state`."""
        before, self.state = self.state, state
        if _shown(before) != _shown(state) and self.on_state is not None:
            log.debug("the grape in use: %s", state)
            try:
                self.on_state(state)
            except Exception as error:  # a listener's bug is not the request's
                asyncio.get_running_loop().call_exception_handler({"message": "on_state failed", "exception": error})

    # -- looking after those that failed

    async def _watch(self) -> None:
        """Probe, one after the other, what is better than the grape in use; ends when there is no such."""
        try:
            while better := self._better():
                await asyncio.sleep(self._config.probe_interval)
                for url in better:
                    if await self._probe(url):
                        self._up(url, "")
                        break
        finally:
            self._watching = False

    def _better(self) -> list[str]:
        down = [url for url in self._urls if url in self._down]
        if not self.state.reachable:
            return down
        return [url for url in down if self._urls.index(url) < self._urls.index(self.state.url)]
