"""What strangers and friends may hold of a peer that serves: every bound once, with unit, source and reason.

`RULES` names them for the table of docs/threat-model.md, each with the test that tries it. "Trusted" are callers that
proved a Peer ID that the owner trusts with something, and callers from this machine.
"""

from typing import Final, NamedTuple

from core.limits import fair

MB: Final = 1_000_000
KIB: Final = 1024

# -- memory that requests hold: unfinished input, payloads under way, results, replies, and the streams' own buffers ---

MEMORY: Final = 256 * MB
"""Bytes in all: an eighth of a board with 2 GB, and room for a dozen messages of the greatest size (16 MiB)."""
MEMORY_KEPT: Final = 160 * MB
"""Bytes of MEMORY that only trusted callers get, so that strangers together hold 96 MB: under the 150 MB that a peer
may grow by in an attack (issue 11), with what the allocator loses by fragmentation."""
MEMORY_HOST: Final = 64 * MB
"""Bytes that the strangers of one host hold: four messages of the greatest size."""
MEMORY_TRUSTED: Final = 192 * MB
"""Bytes that one trusted caller holds: what its program asks at once, and the rest is left to the others."""
FREE_BYTES: Final = 4 * KIB
"""Bytes of a request, or of a stream's buffers, that are not counted: counting would cost more than they do."""
PAYLOAD_FACTOR: Final = 8
"""Bytes of Python objects that a byte of JSON becomes, at the most usual: `"ab",` takes 5 and becomes 59."""

MUCH: Final = 16 * MB
"""Bytes; after more were held and are free again, the allocator is told to return them to the system."""

# -- what comes, until it is whole ------------------------------------------------------------------------------------

INPUT_HOST: Final = 8 * MB
"""Bytes of unfinished messages from the strangers of one host: eight of the longest that a stranger may send."""
INPUT: Final = 64 * MB
"""Bytes of unfinished messages in all; four of the greatest size."""
INPUT_KEPT: Final = 32 * MB
"""Bytes of INPUT that only trusted callers get."""
STRANGER_MESSAGE: Final = 64 * KIB
"""Bytes of a message from a stranger to which no service here is open: the longest that is read without a job of its
own (`core.wire.rpc_message.LARGE`). A plain Grenache peer sends 1,402 at the most (PROTOCOL section 6)."""
OPEN_MESSAGE: Final = 1 * MB
"""Bytes of a message from a stranger to which a service is open: a photograph as a telephone's messenger sends it, or a
long text. Callers that send more are known to the owner."""
LEAST_RATE: Final = 1 * KIB
"""Bytes a second that a message under way must move, either way: a tenth of the slowest modem in use (GPRS)."""
STALL_TIME: Final = 20.0
"""Seconds over which LEAST_RATE is looked at: longer than a mobile line is away in a tunnel (10 to 15 s)."""

# -- connections ------------------------------------------------------------------------------------------------------

CONNECTIONS: Final = 1024
"""Accepted connections in all; some 20 KB each. As many as the uTP layer keeps."""
CONNECTIONS_KEPT: Final = 128
"""Of them for trusted peers: a household and a fleet."""
CONNECTIONS_HOST: Final = 64
"""Of strangers of one host, or of one trusted caller: a peer uses one, but a carrier's NAT hides many peers."""
WEB_CONNECTIONS: Final = 2048
"""Over HTTP and WebSocket, in all; some 10 KB each. The host that has most loses its oldest."""
WEB_CONNECTIONS_HOST: Final = 1024
"""Of them of one host: over HTTP each request under way has one of its own, and clients do not wait for a free one. The
public package's own example sends 1,000 requests at once, and ends when one of them is cut off."""
SILENT_TIME: Final = 120.0
"""Seconds until the first byte; as long as a plain peer keeps an unused connection (PROTOCOL section 6)."""
SILENT_TIME_LOADED: Final = 10.0
"""Seconds until the first byte while more than half of the places are taken: three SYNs of libutp at 3 s."""
IDLE_TIME_LOADED: Final = 30.0
"""Seconds that a stranger's connection may be unused then: a request every 29 s, the keepalive of uTP, keeps it."""
LOADED: Final = 0.5
"""Part of the strangers' places beyond which the shorter times hold."""
LOADED_LINGERS: Final = 60.0
"""Seconds that the shorter times still hold after fewer places were taken: what a flood leaves behind ends with it, and
does not hold 10 MB, and each MB of the heap that has something of it, until SILENT_TIME is over."""
NEWCOMERS_LOADED: Final = 4.0
"""Connections of one host that are let in a second under that load, before anything is made for them: those of a host
that is cut off and comes again at once would make as many others go."""
NEWCOMERS_AT_ONCE: Final = 16.0
"""Of them at once: as of handshakes, the peers behind a carrier's NAT that arrive within one round trip."""
SPARED: Final = 5.0
"""Seconds since its last request for which a connection is not given up for a newcomer."""
SWEEP_EVERY: Final = 1.0
"""Seconds between looks at all connections: 1,024 take 5 ms. A line of 100 Mbit/s fills 12 MB meanwhile."""

# -- requests under way -----------------------------------------------------------------------------------------------

REQUESTS: Final = 1024
"""Requests that are worked on, or whose reply waits, in all; some 10 KB each."""
REQUESTS_KEPT: Final = 256
"""Of them for trusted callers."""
REQUESTS_HOST: Final = 256
"""Of strangers of one host: four connections at their limit of 64."""
REQUESTS_TRUSTED: Final = 512
"""Of one trusted caller."""
JOBS: Final = 4
"""Big messages that are read or written at a time, a slice per turn of the loop; the others wait for their turn."""
JOBS_KEPT: Final = 1
"""Of them for trusted callers."""
JOBS_HOST: Final = 2
"""Of strangers of one host."""

# -- handshakes, and the rest -----------------------------------------------------------------------------------------

HANDSHAKE_TIME: Final = 10.0
"""Seconds; as long as connecting may take."""
HANDSHAKES: Final = 256
"""Under way; with 100 KB each they cost 25 MB."""
HANDSHAKES_HOST: Final = 16
"""Of them from one host: a carrier's NAT hides many peers, but few arrive within one round trip."""
TICKETS: Final = 256
"""Of sessions as a client: as many as the RPC client keeps connections; 3 KB each."""
STREAMS: Final = 8192
"""Byte streams that services work on. An idle one takes some 10 KB here and its window at the other side."""
STREAMS_KEPT: Final = 4096
"""Of them, for trusted callers."""
STREAMS_HOST: Final = 256
"""Of one host of strangers: a browser opens 6, some browsers behind one NAT some dozens."""
STREAMS_TRUSTED: Final = 2048
"""Of one trusted peer: as many as one connection carries (core.streams.config)."""
SESSIONS: Final = 256
"""Sessions of byte streams, whichever side connected: as many as the RPC client keeps connections."""
SESSIONS_KEPT: Final = 128
"""Of them for sessions of ours and trusted peers."""
SESSIONS_HOST: Final = 16
"""Of strangers of one host: a peer uses one, but a carrier's NAT hides many; as of handshakes."""
CALLERS: Final = 4096
"""Callers whose rates are counted at a time."""
ERROR_NAMES: Final = 64
"""Error names counted one by one; a service makes up its own."""
REFUSALS_TOLD: Final = 1.0
"""Refusals of one host that are shown and written down, a second: a person cannot read faster, and nobody may push the
record of who called out of the file, or fill a terminal. All are counted."""
REFUSALS_AT_ONCE: Final = 20.0
"""Of them at once: what an honest program tries before it is looked at."""
REFUSALS_TOLD_ALL: Final = 10.0
"""Of all hosts, a second: 100,000 calls, the record's bound, then last for three hours of an attack at least."""
LEDGER_QUEUE: Final = 10_000
"""Calls that wait for the disk: two seconds of the busiest service; 3 MB."""
RELAY_GUESTS: Final = 128
"""Peers that wait at a relay to be joined with others; 20 KB each, for their session."""
RELAY_GUESTS_KEPT: Final = 64
"""Of them for friends."""
RELAY_GUESTS_HOST: Final = 16
"""Of one host of strangers: as sessions of byte streams, since each guest has one."""
RELAY_PAIRS: Final = 64
"""Pairs that packets are passed on for at once."""
RELAY_PAIRS_KEPT: Final = 32
"""Of them for two friends."""
RELAY_PAIRS_PEER: Final = 8
"""Of one peer."""
RELAY_PAIR_RATE: Final = 1 * MB
"""Bytes a second of one pair, both ways together: 8 Mbit/s, a film."""
RELAY_RATE: Final = 4 * MB
"""Bytes a second of all pairs: a third of a home's usual 100 Mbit/s."""
RELAY_STRANGERS_RATE: Final = 2 * MB
"""Of the bytes a second of all pairs, those of strangers' pairs: half is left to friends."""
RELAY_DAY: Final = 20_000 * MB
"""Bytes in 24 hours: a tenth of what carriers call unusual."""
LANES: Final = 64
"""Peers that may be reached by relays at once; some 10 KB each."""
CARRIERS: Final = 64
"""TCP connections that carry datagrams to us; each holds 128 KB at the most."""
CARRIERS_HOST: Final = 4
"""Of one host: a home with several who meet the same relay."""
CARRIERS_KEPT: Final = 32
"""Of them for friends."""
RELAY_STRANGER_RATE: Final = 125_000
"""Bytes a second of a pair of strangers, both ways together: 1 Mbit/s, for words and small files."""
RELAY_STRANGER_PAIR: Final = 100 * MB
"""Bytes of a pair of strangers; then its two ask again."""
RELAY_STRANGERS_DAY: Final = 5_000 * MB
"""Of the bytes in 24 hours, those for strangers: a quarter."""
RELAY_STRANGER_DAY: Final = 1_000 * MB
"""Of the strangers' bytes in 24 hours, those of the pairs that one host asked for: a fifth, so that it does not use up
in 40 minutes what is there for all."""
WAYS: Final = 1024
"""Targets whose way is kept: as many as the rows of peers that a window shows; 300 KB."""


class Rule(NamedTuple):
    """A bound in words: of what, how much of one host, in all, kept for trusted callers, when full, and its test."""

    what: str
    per_host: str
    in_all: str
    kept: str
    when_full: str
    test: str


def _bytes(amount: float) -> str:
    return f"{amount / MB:g} MB" if amount >= MB else f"{amount / KIB:g} KiB"


def with_site(per_host: int, places: int) -> str:
    """Return a bound of one host with that of its site, of so many places of strangers, in words."""
    return f"{per_host:,}; {fair.site_limit(per_host, places):,} of a /48"


def _bytes_with_site(per_host: int, room: int) -> str:
    return f"{_bytes(per_host)}; {_bytes(fair.site_limit(per_host, room))} of a /48"


RULES: Final = (
    Rule(
        "memory that requests hold", _bytes_with_site(MEMORY_HOST, MEMORY - MEMORY_KEPT),
        _bytes(MEMORY), _bytes(MEMORY_KEPT),
        "ERR_RATE_LIMITED; for buffers of streams, the connection that holds most is reset",
        "tests/rpc/test_memory.py",
    ),
    Rule(
        "unfinished messages", _bytes_with_site(INPUT_HOST, INPUT - INPUT_KEPT), _bytes(INPUT), _bytes(INPUT_KEPT),
        "ERR_RATE_LIMITED, and the connection is closed", "tests/rpc/test_input.py",
    ),
    Rule(
        "one message of a stranger",
        f"{_bytes(STRANGER_MESSAGE)}; {_bytes(OPEN_MESSAGE)} where a service is open to it",
        "", "16 MiB", "ERR_MESSAGE_SIZE, and the connection is closed", "tests/rpc/test_input.py",
    ),
    Rule(
        "the rate of a message under way, in or out", f"{LEAST_RATE} bytes a second over {STALL_TIME:g} s", "", "",
        "the connection is reset", "tests/rpc/test_input.py",
    ),
    Rule(
        "places, amounts and rates of a /48 of IPv6, where this table has a bound of one host for places or amounts, "
        "and for newcomers, registrations, refusals that are shown and what open peers are asked",
        f"{fair.SITE_OWNERS} x a host's, at most half of those of strangers, no fewer than a host's", "",
        "not counted with their /48", "as for a host; of a /48, the host with most in it makes room",
        "tests/limits/test_sites.py",
    ),
    Rule(
        "accepted connections", with_site(CONNECTIONS_HOST, CONNECTIONS - CONNECTIONS_KEPT),
        str(CONNECTIONS), str(CONNECTIONS_KEPT),
        "the host with most loses the connection that never asked anything and was silent for longest; if there is "
        "none, an unused one goes, or the newcomer",
        "tests/rpc/test_connections.py",
    ),
    Rule(
        "new connections while half of the places are taken", f"{NEWCOMERS_LOADED:g} a second", "", "this machine",
        "reset before anything is made for them", "tests/rpc/test_connections.py",
    ),
    Rule(
        "time until the first byte",
        f"{SILENT_TIME:g} s; {SILENT_TIME_LOADED:g} s while half of the places are taken, and for "
        f"{LOADED_LINGERS:g} s after that",
        "", "", "the connection is reset", "tests/rpc/test_connections.py",
    ),
    Rule(
        "requests under way", with_site(REQUESTS_HOST, REQUESTS - REQUESTS_KEPT), str(REQUESTS), str(REQUESTS_KEPT),
        "nothing further is read from a host that would exceed it; hosts take turns, trusted callers first",
        "tests/rpc/test_fair_places.py",
    ),
    Rule(
        "big messages being read or written", str(JOBS_HOST), str(JOBS), str(JOBS_KEPT),
        "they wait; hosts take turns, trusted callers first", "tests/rpc/test_slices.py",
    ),
    Rule(
        "TLS handshakes under way", with_site(HANDSHAKES_HOST, HANDSHAKES), str(HANDSHAKES), "",
        "the oldest of the host with most is reset", "tests/secure/test_handshakes.py",
    ),
    Rule(
        "byte streams that services work on",
        f"{with_site(STREAMS_HOST, STREAMS - STREAMS_KEPT)}, {STREAMS_TRUSTED:,} of a trusted peer",
        str(STREAMS),
        str(STREAMS_KEPT), "ERR_RATE_LIMITED", "tests/serving/test_openings.py",
    ),
    Rule(
        "sessions of byte streams", with_site(SESSIONS_HOST, SESSIONS - SESSIONS_KEPT),
        str(SESSIONS), str(SESSIONS_KEPT),
        "the one idle for longest goes, a stranger's first; else a busy one of the host of strangers that has 2 more; "
        "for a trusted peer, a stranger's busy one; else the newcomer", "tests/tunnel/test_places.py",
    ),
    Rule(
        "connections over HTTP and WebSocket", with_site(WEB_CONNECTIONS_HOST, WEB_CONNECTIONS - CONNECTIONS_KEPT),
        str(WEB_CONNECTIONS), str(CONNECTIONS_KEPT),
        "the oldest one of the host that has most is closed", "tests/grenache/test_http.py",
    ),
    Rule(
        "requests over HTTP and WebSocket under way", with_site(REQUESTS_HOST, REQUESTS - REQUESTS_KEPT),
        str(REQUESTS), str(REQUESTS_KEPT),
        "over HTTP the next ones wait, one on each connection; over WebSocket ERR_RATE_LIMITED",
        "tests/grenache/test_http.py",
    ),
    Rule(
        "callers whose rate is counted", "1", str(CALLERS), "", "the caller that asked longest ago is forgotten",
        "tests/serving/test_quota.py",
    ),
    Rule(
        "refusals that are shown and written down", f"{REFUSALS_TOLD:g} a second", f"{REFUSALS_TOLD_ALL:g} a second",
        "", "counted only", "tests/serving/test_openings_flood.py",
    ),
    Rule(
        "calls that wait for the disk", "", str(LEDGER_QUEUE), "", "further calls are not recorded, and that is told",
        "tests/ledger/test_ledger.py",
    ),
    Rule(
        "peers that wait at a relay", with_site(RELAY_GUESTS_HOST, RELAY_GUESTS - RELAY_GUESTS_KEPT),
        str(RELAY_GUESTS), str(RELAY_GUESTS_KEPT), "of the host with most, the one that came first is sent away",
        "tests/relaying/test_desk.py",
    ),
    Rule(
        "pairs that packets are passed on for", f"{RELAY_PAIRS_PEER} of a peer, and as many with strangers",
        str(RELAY_PAIRS), str(RELAY_PAIRS_KEPT),
        "of strangers, the host that asked for most loses the one used longest ago; else ERR_RELAY_FULL",
        "tests/relay/test_forwarder.py",
    ),
    Rule(
        "packets that are passed on", f"{_bytes(RELAY_PAIR_RATE)} a second of a pair",
        f"{_bytes(RELAY_RATE)} a second, {_bytes(RELAY_DAY)} a day", "",
        "dropped and counted",
        "tests/relay/test_forwarder.py",
    ),
    Rule(
        "peers that are reached by relays", "", str(LANES), str(LANES // 2), "the lane used longest ago ends",
        "tests/relay/test_lanes.py",
    ),
    Rule(
        "packets that are passed on for strangers",
        f"{_bytes(RELAY_STRANGER_RATE)} a second and {_bytes(RELAY_STRANGER_PAIR)} of a pair, "
        f"{_bytes(RELAY_STRANGER_DAY)} a day of the host that asked",
        f"{_bytes(RELAY_STRANGERS_RATE)} a second, {_bytes(RELAY_STRANGERS_DAY)} a day", "",
        "dropped and counted; the pair ends",
        "tests/relay/test_forwarder.py",
    ),
    Rule(
        "TCP connections that carry datagrams", with_site(CARRIERS_HOST, CARRIERS - CARRIERS_KEPT),
        str(CARRIERS), str(CARRIERS_KEPT),
        "the host with most loses its oldest; one that nothing runs over ends after 20 s",
        "tests/carrying/test_listener.py",
    ),
    Rule(
        "targets whose way is kept", "", str(WAYS), "", "the one asked longest ago is looked for as at first",
        "tests/calling/test_ways.py",
    ),
)  # fmt: skip
