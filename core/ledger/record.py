"""One call: who asked for what, when, and what became of it. Never what was said."""

from functools import lru_cache
from typing import Final, TypeAlias

from core.frozen import dataclass, quick

BATCH: Final = 512  # calls that are written in one transaction, and by one statement
OK: Final = "ok"  # the outcome of a request that was answered with a result
Row: TypeAlias = tuple[float, str | None, str, str, int, int, float, str]  # of a call: see `row_of`
MAX_TEXT: Final = 200  # characters of what callers write, and of a text searched for; a service's name has a few dozen


@quick
class CallRecord:
    """`when` it was answered, Unix seconds; `seconds` it took; `peer_id` None: a plain Grenache peer.

    `outcome` is "ok" or the name of the error. `number` rises with every call that is kept; 0: not kept yet.
    """

    when: float
    peer_id: str | None
    address: str
    service: str
    request_bytes: int
    reply_bytes: int
    seconds: float
    outcome: str
    number: int = 0

    def __init__(
        self, when: float, peer_id: str | None, address: str, service: str, request_bytes: int, reply_bytes: int,
        seconds: float, outcome: str, number: int = 0,
    ) -> None:  # fmt: skip
        self.when = when
        self.peer_id = peer_id
        self.address = address
        self.service = service
        self.request_bytes = request_bytes
        self.reply_bytes = reply_bytes
        self.seconds = seconds
        self.outcome = outcome
        self.number = number


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls: an empty field means all.

    `text` is looked for in what the columns of text say, whatever its case, and fits the calls of these `callers`,
    texts of Peer IDs, in any case; `service` and `outcome` are whole names;
    `before` is the `number` of a call: only older ones.
    """

    text: str = ""
    service: str = ""
    outcome: str = ""
    before: int | None = None
    callers: tuple[str, ...] = ()


def outcome(error: str | None) -> str:
    """Return the outcome of a request answered with this error text ("ERR_X" or "ERR_X: a sentence"), or with none."""
    return OK if error is None else error.partition(":")[0]


def row_of(call: CallRecord) -> Row:
    """Return what is kept of a call: its fields in their order, without the number."""
    return (
        call.when, call.peer_id, clean(call.address), clean(call.service), call.request_bytes, call.reply_bytes,
        call.seconds, clean(call.outcome),
    )  # fmt: skip


@lru_cache(maxsize=256)  # few words are in most rows, and this took a third of the time that a row takes
def clean(text: str) -> str:
    """Return text that SQLite takes: no half surrogates, and no NUL, behind which its LIKE finds nothing."""
    return text[:MAX_TEXT].replace("\0", "\ufffd").encode(errors="replace").decode()
