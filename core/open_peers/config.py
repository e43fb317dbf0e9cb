"""The numbers of open peers: what strangers may cost one, and how many are looked for. Seconds unless a name says so.

An open peer keeps sealed letters of 316 bytes and hands them on. It passes no packets on, and opens no connection for
anybody. So the worst that all strangers together can take is DeskConfig.bytes_all a second: 350 MB a day.
"""

from typing import Final

from core.frozen import frozen

LETTER_MAX: Final = 400  # bytes of an item's value; a letter has 316 (`core.signal.letter`)
ITEMS_AT_ONCE: Final = 8  # items in one request; 700 characters each
KEYS: Final = 160  # boxes that one watcher watches: 64 people, two hours each, and what is between
WAIT_MAX: Final = 50.0  # seconds that a watcher waits for news: 0.9 MB a day. uTP's keepalives keep the mapping
RUNG_FOR: Final = 60.0  # seconds after a ring in which who comes to watch hears of it; as long as a call goes on
RING_AGAIN: Final = 15.0  # seconds between rings of one call
OVERHEAD: Final = 250  # bytes that a request and its answer take beside their JSON: TLS, uTP, IP, acknowledgements

GOOD: Final = 8  # verified open peers; with fewer others are looked for at once
KNOWN: Final = 32  # verified open peers that are kept, on the disk too
HEARD: Final = 256  # addresses that nodes list, not verified; of more, those of the network with most go
HEARD_NETWORK: Final = 8  # of one network of 16 bits
PER_NODE: Final = 50  # addresses taken of one node's answer; a node that lies fills no further places
WAITED: Final = 3  # open peers at which we can be met ...
CALLED: Final = 4  # ... and at which somebody is called: two that look at different lists mostly choose one in common
SHARDS_AT_ONCE: Final = 2  # searches of the public DHT at a time; each takes some 30 packets
SPREAD: Final = 8  # open peers that are visited at once, at most: ours, and those of up to CALLS calls
CHECKS: Final = 6  # under way at once: lists are mostly junk, which is silent
CHECKS_RATE: Final = 1 / 30  # checks a second in the long run, and CHECKS_BURST at once: each sends to a stranger
CHECKS_BURST: Final = 24.0
GOOD_FOR: Final = 6 * 3600.0  # seconds that a check holds; then it is made again before anybody is met there
LOOK_EVERY: Final = 3600.0  # seconds between looks at the gatherings while there are enough
LOOK_SOON: Final = 60.0  # seconds between looks while somebody is called and there are too few
LOOK_FIRST: Final = 30.0  # seconds until the second look, while there are too few: we may have come too early ...
LOOK_LATER: Final = 4.0  # ... and so many times longer until each further one, up to LOOK_EVERY: each is four searches
LIARS: Final = 256  # hosts that lied, remembered for LIAR_FOR
LIAR_FOR: Final = 24 * 3600.0
SILENT: Final = 256  # hosts that did not answer, left alone for SILENT_FOR: lists fill with junk
SILENT_FOR: Final = 1800.0
ANNOUNCE_EVERY: Final = 900.0  # seconds; nodes list for 15 to 30 minutes (BEP 5 says none, libtorrent 30)


@frozen
class DeskConfig:
    """Bounds of one open peer. Rates are a second, bursts at once. Trusted callers are not bound by a host's share."""

    watchers: int = 256  # who waits for letters; some 8 KB each
    watchers_host: int = 8  # a carrier's NAT hides many peers
    watchers_kept: int = 32  # for trusted peers
    items: int = 4096  # letters that are kept; 1 KB each
    items_host: int = 256
    items_kept: int = 1024
    item_age: float = 7800.0  # seconds; as long as a letter holds
    requests_host: float = 2.0  # a second, and `requests_burst` at once
    requests_burst: float = 40.0
    requests_all: float = 60.0
    requests_all_burst: float = 300.0
    items_rate_host: float = 0.5  # items a second; a signature that is checked takes 0.2 ms
    items_burst: float = 130.0  # 64 people, two hours each
    items_rate_all: float = 20.0
    items_all_burst: float = 600.0
    bytes_host: float = 512.0  # bytes a second, both ways
    bytes_burst: float = 131_072.0
    bytes_all: float = 4096.0  # 350 MB a day
    bytes_all_burst: float = 4_000_000.0
    names_host: float = 0.2  # names looked up or announced, values put or got, of the Grenache DHT
    names_burst: float = 20.0
    names_all: float = 5.0
    names_all_burst: float = 100.0
    hosts: int = 4096  # whose rates are counted
    reserve: float = 0.25  # part of each rate of all that is left to trusted peers
