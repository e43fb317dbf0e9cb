"""The link's numbers: PROTOCOL.md section 3 where it has one."""

from core.frozen import frozen


@frozen
class LinkConfig:
    """Limits and times of one link. Seconds unless a name says otherwise."""

    request_timeout: float = 2.5  # one HTTP request, connecting included
    tries: int = 3  # lookup and announce; put and get are sent once to each grape until one answers
    retry_delay: float = 0.2  # between tries when every grape has just failed: a grape that restarts needs that long
    cache_age: float = 10.0  # a lookup's answer is used again this long
    cache_entries: int = 512  # names; the one looked up longest ago makes room
    probe_interval: float = 3.0  # how often to look whether a better grape is back: a person waits that long
    max_in_flight: int = 256  # requests at once; further ones fail at once, in words
    max_reply_bytes: int = 256 << 10  # a full listing is 2.5 kB (100 peers), an item under 4 kB
    max_peers: int = 1000  # in one listing; the DHT engine collects as many
    max_urls: int = 16  # grapes; more is a mistake in a settings file
    connections: int = 16  # to one grape at once; further requests wait, within their time-out
    # A Node grape closes a connection that was idle for 5 s; ours go before, so that no request meets that moment.
    keep_alive: float = 3.0
