"""A mapping with a bound: when it is full, the entry used longest ago makes room."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedTable(MutableMapping[K, V], Generic[K, V]):
    """At most `limit` entries, the one used longest ago first.

    Setting an entry uses it, and so does `use`; reading one does not. `on_evicted` hears of each entry that made room.
    """

    def __init__(self, limit: int, on_evicted: Callable[[K, V], None] | None = None) -> None:
        """Raises ValueError for a limit under 1."""
        if limit < 1:
            raise ValueError(f"a table of {limit} entries holds nothing: the limit is 1 at least")
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._limit = limit
        self._on_evicted = on_evicted
        self.evicted = 0  # entries that made room so far

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __getitem__(self, key: K) -> V:
        return self._entries[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._make_room()

    def find(self, key: K) -> V | None:
        """Return an entry, None when there is none: `get`, which a mapping inherits, takes three calls."""
        return self._entries.get(key)

    def __delitem__(self, key: K) -> None:
        del self._entries[key]

    def use(self, key: K, make: Callable[[], V]) -> V:
        """Return an entry as the one used last; `make` it when there is none."""
        value = self._entries.get(key)
        if value is None:
            value = make()
            self[key] = value
        else:
            self._entries.move_to_end(key)
        return value

    def oldest(self) -> tuple[K, V] | None:
        """Return the entry used longest ago; None when the table is empty."""
        return next(iter(self._entries.items()), None)

    def full(self) -> bool:
        """Return whether the next new entry makes another go."""
        return len(self._entries) >= self._limit

    def _make_room(self) -> None:
        key, value = self._entries.popitem(last=False)
        self.evicted += 1
        if self._on_evicted is not None:
            self._on_evicted(key, value)
