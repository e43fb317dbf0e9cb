"""The limits of RPC servers and clients, each with its source; PROTOCOL section 6 is the Node peer's behaviour.

What strangers may hold of a server is in `core.limits.bounds`.
"""

from dataclasses import fields

from core.frozen import dataclass
from core.limits import bounds
from core.wire.rpc_message import MAX_BYTES


@dataclass(frozen=True, slots=True)
class RpcConfig:
    """Times are seconds. Raises ValueError for a limit that is not above 0."""

    message_bytes: int = MAX_BYTES  # of one message, either way; see there. A peer that sends more is cut off
    request_timeout: float = 60.0  # PROTOCOL section 6: the Node client's default
    handler_timeout: float = 60.0  # the same: no default client waits for longer
    idle_close: float = 120.0  # PROTOCOL section 6: "a connection unused for 120 s is closed". By servers
    client_idle_close: float = 110.0  # sooner than any server, so that its close never meets a request of ours
    connect_timeout: float = 10.0  # three SYNs at libutp's first time-out of 3 s
    write_timeout: float = 30.0  # a caller that reads next to nothing for so long is cut off: it holds results here
    in_flight: int = 64  # requests of one connection that a server works on; it reads on when a place is free
    asked: int = 256  # requests of a client on one connection; the next waits for a place. Small ones fill a window
    in_flight_total: int = bounds.REQUESTS
    in_flight_kept: int = bounds.REQUESTS_KEPT  # a quarter of all at most
    in_flight_host: int = bounds.REQUESTS_HOST
    in_flight_trusted: int = bounds.REQUESTS_TRUSTED
    connections_per_host: int = bounds.CONNECTIONS_HOST
    connections: int = bounds.CONNECTIONS
    connections_kept: int = bounds.CONNECTIONS_KEPT  # an eighth of all at most
    pool: int = 256  # connections a client keeps; the longest unused one makes room, and if all are busy: LocalError
    map_at_once: int = 64  # addresses that one `map` asks at the same time; the others wait

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"RpcConfig.{field.name} must be above 0")
