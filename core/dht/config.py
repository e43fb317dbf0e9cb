"""The DHT node's numbers. Seconds unless a name says otherwise."""

from dataclasses import fields

from core.frozen import dataclass


@dataclass(frozen=True, slots=True)
class DhtConfig:
    """Limits and times of one node. Raises ValueError for a number that is not positive."""

    bucket_size: int = 20  # k: nodes per bucket, in a `nodes` reply, and stored to; as the Node grape (BEP 5 says 8)
    concurrency: int = 16  # queries in flight per search, as the Node grape
    query_timeout: float = 2.0  # as the Node grape
    resend_after: float = 0.7  # one second copy of an unanswered query: a single lost datagram costs no node
    max_operations: int = 256  # searches at a time; further ones fail at once, in words
    max_transactions: int = 2048  # queries in flight in all; searches wait for a free one
    max_probes: int = 32  # pings in flight to strangers who asked us something; further strangers are not probed
    max_search_queries: int = 200  # per search: ends one that hostile nodes lead ever nearer
    max_outgoing: int = 4096  # datagrams waiting to be sent; further ones are dropped and counted

    # Silence after which a node is pinged: --dht_nodeLiveness. BEP 5 says 15 minutes and the Node grape sent nothing in
    # 11 (observed; its default is not documented); 5 keep dead nodes, each 2 s of a lookup, out of a small network.
    node_liveness: float = 300.0
    refresh_interval: float = 900.0  # between searches that refresh the table (BEP 5: 15 minutes)
    # Operations wait this long for the first bootstrap answer, then use the known nodes: a LAN answers in 1 ms, most
    # of the Internet in 0.2 s, and a person who clicked does not notice. Dead bootstrap nodes would cost 2 s.
    join_patience: float = 0.3
    bootstrap_first_retry: float = 1.0  # while alone: first retry, then doubled each time ...
    bootstrap_last_retry: float = 15.0  # ... up to this, so that a grape that comes back is found without a click
    bootstrap_interval: float = 60.0  # not alone: few nodes, or a bootstrap node left: search again, halves heal
    max_public_nodes_per_host: int = 8  # table entries per public IP (Sybil); loopback and private are not counted

    token_rotation: float = 300.0  # BEP 5: secrets change every 5 minutes, the previous one is still accepted
    peer_max_age: float = 120.0  # after the last announce; the Node grape's --dht_peer_maxAge
    max_peers_listed: int = 100  # per get_peers reply, sampled at random, as the Node grape: 800 bytes
    max_tables: int = 5000  # service names with peers; the host with most peers in all loses its oldest
    max_peers: int = 20_000  # peers of all names; likewise. 20,000 x 0.6 kB = 12 MB
    max_peers_per_table: int = 1000  # peers of one name; the host with the most of them loses its oldest
    max_peers_found: int = 1000  # peers a lookup collects from all nodes; later ones are dropped
    max_values: int = 5000  # BEP 44 items; the host with most loses its oldest. 5,000 x 1.2 kB = 6 MB
    item_max_age: float = 7200.0  # BEP 44: "expire after 2 hours" unless put again

    def __post_init__(self) -> None:
        for entry in fields(self):
            if not getattr(self, entry.name) > 0:
                raise ValueError(f"DhtConfig.{entry.name} must be positive, not {getattr(self, entry.name)}")
