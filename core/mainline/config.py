"""The numbers of our node in the public DHT. Seconds unless a name says otherwise."""

from typing import Final

from core.dht.config import DhtConfig

DHT: Final = DhtConfig(
    bucket_size=8,  # BEP 5: k
    concurrency=8,  # queries in flight per search; libtorrent has 5, and a third of the public nodes are silent
    query_timeout=1.0,  # the public DHT answers in 0.2 s or hardly ever; who waits for 2 s waits in vain
    resend_after=60.0,  # never: another node is asked instead
    max_operations=64,
    max_transactions=128,
    max_search_queries=64,  # per search; a table of 50 nodes finds the nearest in 20 to 30
    max_outgoing=512,
    node_liveness=900.0,  # BEP 5: a node is questionable after 15 minutes
    refresh_interval=3600.0,  # BEP 5 has 900; but each doorbell's search leads to another place, every 300 s
    max_public_nodes_per_host=1,  # one node per IP, as libtorrent: who rents an address has one place
    peer_max_age=1800.0,  # as libtorrent keeps announces
    max_tables=1000,
    max_peers=5000,
    max_peers_per_table=200,
    max_values=700,  # BEP 44 items, as libtorrent
)
"""What `core.dht` has as numbers, for the public DHT."""

UNHURRIED: Final = 3
"""Queries in flight of a search that nobody waits for: it takes 12 packets where one with 8 in flight takes 20, and 23
for 35 where a third of the nodes is silent; and twice as long."""
GOOD: Final = 50
"""Nodes that have answered: with fewer the table is filled, and so many at least are kept on the disk."""
BUCKET: Final = 16
"""Nodes in a bucket of the table; libtorrent has more than k as well, in the buckets that most searches begin in."""
SEEDS: Final = 32
"""Kept nodes that are asked at the start; a third of them is gone after a day."""
KEPT: Final = 200
"""Nodes that are written to the disk at most; 200 take 5 KB."""
ALONE: Final = 8
"""Nodes; with fewer of them, bootstrap nodes are asked."""
ENOUGH: Final = ((1.2, 10), (2.5, 5))
"""(seconds, answers): a search that is to store something stores it after so long with so many. Most of the nearest
have answered then; it goes on for those that are slow or behind silent ones, which takes 5 s and more."""
SETTLED: Final = (0.6, 6)
"""(seconds, answers of the eight nearest): the same, where it is silent nodes that the search waits for."""
STORED: Final = 4
"""Nodes that have to take an item that is written with the tokens of the last one; with fewer, the next is a search."""
TOKENS_FOR: Final = 240.0
"""Seconds for which tokens are used again. libtorrent and bittorrent-dht change their secret every 5 minutes, and take
the one before it."""
DISTRUST: Final = 3
"""Failures among the nodes that one host named, and no answer, after which its others are not asked: it invents them.
Of a host that does not lie, with a third of all nodes gone, it happens once in 27."""
TRANSACTION: Final = 4
"""Bytes of a transaction id, at random: who answers from a forged source has one chance in 4 billion."""
CHECK: Final = 60.0
"""Seconds between looks at the table: up to `CHECKED` silent nodes are pinged, and who waited too long is forgotten."""
CHECKED: Final = 3
"""Silent nodes that are pinged in one look."""
FILL: Final = 6.0
"""Seconds between searches at random while the table has fewer than `GOOD` nodes, `FILLS` times at most in a row."""
FILLS: Final = 8
"""Such searches; then the next comes with the usual refresh."""
REMEMBERED: Final = 128
"""Keys whose nearest nodes are remembered, so that asking again takes 8 packets instead of 30."""
POLLED: Final = 5
"""Nodes of the eight nearest to a key that are polled in turn. The other three are silent, list a crowd, or send nodes
that nobody wanted: such an answer takes four times as much."""
GROWN: Final = 1.5
"""Times as many nodes as we knew then, with which it is searched again: who has just joined finds others than those
who look at the same key later, and does not hear who rings there."""
REMEMBERED_FOR: Final = 310.0
"""Seconds; an epoch of a doorbell and a little. One search for each door instead of two: 2 MB a day less, and of 24
calls with a third of the nodes gone and a tenth lying as many were heard."""
