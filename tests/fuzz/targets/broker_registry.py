"""A broker's registry, any registrations, however often: an entry, or LocalError with a name.
Every table stays within its bound, nobody pushes out who has less, and who does not come again is forgotten.
"""

from core.broker.registry import BrokerConfig, BrokerRegistry
from core.errors import LocalError
from core.values import Address
from core.wire.broker_message import Registration
from tests.fuzz.inputs import Input

WATCHED = ["core.broker.registry"]
CONFIG = BrokerConfig(age=15.0, entries=6, entries_each=3, rate_each=2.0, hosts=4, names=3)
HOSTS = ("192.0.2.1", "192.0.2.2", "10.0.0.3", "127.0.0.1", "198.51.100.5", "198.51.100.6")
WAITS = (0.0, 0.0, 0.1, 0.4, 1.0, 5.0, 15.0, 60.0)
SEEDS = [bytes([0, 0, 0, 0, 2]) * 9, bytes(range(90)), bytes([n % 6 for n in range(200)])]
MAX_INPUT = 400


def run(data: bytes) -> None:
    source, registry, now = Input(data), BrokerRegistry(CONFIG), 0.0
    highest = 0
    while source:
        what = source.byte()
        host = source.choose(HOSTS)
        caller = Address(host, 1000 + source.byte() % 4)
        wanted = Registration("abcd"[what % 4], bool(what & 4))
        before = registry.news(wanted.service)
        try:
            new = registry.register(wanted, caller, None, now)
        except LocalError as error:
            if error.name not in ("ERR_BROKER_RATE", "ERR_BROKER_FULL") or not registry.refused[error.name]:
                raise
        else:
            highest = max(highest, registry.news(wanted.service))
            if new != (registry.news(wanted.service) != before) or registry.entries()[-1].address != caller:
                raise AssertionError("an entry without news, or news without an entry")
        check(registry, wanted, caller, now)
        now += source.choose(WAITS)
    registry.sweep(now + CONFIG.age + 1.0)
    if len(registry) or len(registry._of_host):
        raise AssertionError("an entry is left of somebody who is gone")


def check(registry: BrokerRegistry, wanted: Registration, requester: Address, now: float) -> None:
    """Check the bounds, and what the caller is told."""
    hosts = [entry.address.host for entry in registry.entries()]
    if (
        len(hosts) > CONFIG.entries
        or any(hosts.count(host) > CONFIG.entries_each for host in hosts)
        or len(registry._rates) > CONFIG.hosts
        or len(registry._news) > CONFIG.names
        or len(registry._of_host) != len(registry)
    ):
        raise AssertionError("a table is over its bound")
    listed = registry.listing(wanted, requester, now, lambda address: None)
    if any(other.service != wanted.service for other in listed):
        raise AssertionError("somebody of another service is listed")
    roles = [other.server == wanted.server for other in listed]
    if roles != sorted(roles):
        raise AssertionError("those of the other role are not first")
