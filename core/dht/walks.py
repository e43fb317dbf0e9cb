"""The walks of a node under way: those that wait until it has joined, those that wait for a free transaction."""

from collections.abc import Callable

from core.dht.config import DhtConfig
from core.dht.events import DhtEvent, Failed, OperationId
from core.dht.family import FOUR, Family
from core.dht.lookup import Search
from core.dht.operations import WritingTask
from core.dht.recent import RecentWriters
from core.dht.routing import RoutingTable
from core.dht.transactions import Transactions
from core.dht.walk import Ask, Task, Walk
from core.errors import LocalError, PeerError

FEW = 8  # nodes nearest to a key that a quiet node writes to: BEP 5's k; any search for the key asks those first


class Walks:
    """Begins walks through the network, and counts operations until they end: each with exactly one event."""

    def __init__(
        self,
        config: DhtConfig,
        own_id: bytes,
        table: RoutingTable,
        transactions: Transactions,
        ask: Ask,
        on_event: Callable[[DhtEvent], None],
        few: Callable[[], bool],
        family: Family = FOUR,
    ) -> None:
        """`on_event` hears how operations end. `few()`: we write to as few nodes as BEP 5 asks for."""
        self._few = few
        self._family = family
        self._config = config
        self._own_id = own_id
        self._table = table
        self._transactions = transactions
        self._ask = ask
        self._on_event = on_event
        self._recent = RecentWriters()
        self._waiting: list[Walk] | None = None  # while we join: until we have met somebody, or gave up
        self._starved: dict[Walk, None] = {}
        self._last_operation = 0
        self.operations = 0  # under way

    # -- operations -----------------------------------------------------------------------------------------------

    def new_operation(self) -> OperationId:
        """Return the next number."""
        self._last_operation += 1
        return OperationId(self._last_operation)

    def accepts(self, operation: OperationId, fault: PeerError | None) -> bool:
        """Return whether an operation may begin. For one with a fault, or one too many, Failed is told."""
        if fault is None and self.operations >= self._config.max_operations:
            fault = LocalError(f"{self.operations} DHT operations are under way already: try again later")
        if fault is not None:
            self._on_event(Failed(operation, fault))
        return fault is None

    def begin(self, task: Task, target: bytes, now: float) -> None:
        """Begin an operation's walk, once we have joined."""
        self.operations += 1
        walk = self.walk(task, target)
        if isinstance(task, WritingTask) and (tokens := self._recent.find(task.key, self._table.generation, now)):
            task.remembered = True
            walk.write(tokens, now)
        elif self._waiting is None:
            self.start(walk, now)
        else:
            self._waiting.append(walk)  # bounded by max_operations

    def end(self, event: DhtEvent) -> None:
        """Tell how an operation ended."""
        self.operations -= 1
        self._on_event(event)

    def write_ended(self, task: WritingTask, now: float) -> bool:
        """Remember who took a write. One who did not, if remembered from an earlier one: search after all."""
        if task.taken == len(task.tokens):
            whole = task.taken == len(self._table) < self._config.bucket_size
            if (whole or task.key) and self._recent.find(task.key, self._table.generation, now) is None:
                self._recent.keep(task.key, task.tokens, self._table.generation, now)
            return False
        self._recent.drop(task.key)
        again, task.remembered = task.remembered, False
        if again:
            self.start(self.walk(task, task.target), now)
        return again

    # -- walks ----------------------------------------------------------------------------------------------------

    def walk(self, task: Task, target: bytes) -> Walk:
        """Return a walk that has not begun."""
        config = self._config
        k = FEW if isinstance(task, WritingTask) and self._few() else config.bucket_size
        search = Search(target, self._own_id, k, config.concurrency, config.max_search_queries)
        return Walk(task, search, self._ask, config.concurrency, self._starve, self._family)

    def start(self, walk: Walk, now: float) -> None:
        """Take the first steps of a walk."""
        walk.search.add(self._table.closest(walk.search.target, self._config.bucket_size))
        walk.step(now)

    def hold(self) -> None:
        """Let operations wait until `release`."""
        self._waiting = self._waiting or []

    def release(self, now: float) -> None:
        """Start what waited for us to join."""
        waiting, self._waiting = self._waiting or (), None
        for walk in waiting:
            self.start(walk, now)

    def feed_starved(self, now: float) -> None:
        """Go on with walks that found no free transaction, as far as there are some now."""
        while self._starved and not self._transactions.full():
            walk = next(iter(self._starved))  # first come, first served
            del self._starved[walk]
            walk.step(now)

    def _starve(self, walk: Walk) -> None:
        self._starved[walk] = None
