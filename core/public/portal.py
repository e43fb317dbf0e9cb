"""A network that leads all names to one place, as one with a sign-in page does: nobody there is a node of the DHT."""

from collections.abc import Iterable, Mapping
from typing import Final

from core.scope import Scope, scope

SAME: Final = 3  # names that lead to one host; two bootstrap names may well be one machine's


def leads_astray(asked: Iterable[str], found: Mapping[str, str]) -> str:
    """Return the host that a network gives instead of those that were asked for; "" when nothing is wrong.

    `asked` are bootstrap hosts, `found` what the resolver said for each. An address that was typed in, and a single
    name, are what their owner says they are, in a home network too.
    """
    names = [name for name in asked if scope(name) is Scope.INVALID]
    hosts = [found[name] for name in names if name in found]
    if len(names) < 2 or not hosts:
        return ""
    if all(scope(host) < Scope.CARRIER for host in hosts):
        return hosts[0]
    return hosts[0] if len(hosts) >= SAME and len(set(hosts)) == 1 else ""
