"""IPv6 for places of the Internet of namespaces: each home has a /64 of its own, behind a firewall or none.

No router translates it. A home's firewall lets in answers only, as those that providers hand out do: what nobody inside
asked for is dropped. The addresses are of the documentation's range (RFC 3849), which `core.scope` has for public.
"""

from tests.natlab import namespaces as ns
from tests.natlab.internet import Internet, Public, Site

_FIREWALL = """
table ip6 firewall {{
  chain forward {{ type filter hook forward priority filter; policy {policy};
    iifname "lan" accept
    ct state established,related accept
  }}
}}
"""


def _number(namespace: str) -> int:
    return int(namespace.rpartition("_")[2])


def public_with_six(world: Internet, place: Public) -> str:
    """Give a public machine IPv6; return its address."""
    number = _number(place.namespace)
    _join(world, f"p{number}", place.namespace, number)
    return f"2001:db8:0:{number:x}::2"


def site_with_six(world: Internet, site: Site, *, firewall: bool = True) -> str:
    """Give a site's first machine IPv6; return its address. Its router may have a firewall for it."""
    router, host = site.routers[0], site.hosts[0]
    number = _number(host)
    _join(world, f"s{number}", router, number)
    ns.set_options(router, {"ipv6/conf/all/forwarding": 1})
    ns.configure(router, f"addr add 2001:db8:1:{number:x}::1/64 dev lan nodad")
    ns.configure(
        host,
        f"addr add 2001:db8:1:{number:x}::5/64 dev eth0 nodad",
        f"route add ::/0 via 2001:db8:1:{number:x}::1",
    )
    ns.configure(world.core, f"route add 2001:db8:1:{number:x}::/64 via 2001:db8:0:{number:x}::2")
    rules = _FIREWALL.format(policy="drop" if firewall else "accept")
    ns.run(*ns.inside(router), "nft", "-f", "-", stdin=rules)  # beside those of IPv4
    return f"2001:db8:1:{number:x}::5"


def _join(world: Internet, device: str, namespace: str, number: int) -> None:
    """Number the link between the core and what is plugged into it."""
    ns.set_options(world.core, {"ipv6/conf/all/forwarding": 1})
    ns.configure(world.core, f"addr add 2001:db8:0:{number:x}::1/64 dev {device} nodad")
    ns.configure(
        namespace,
        f"addr add 2001:db8:0:{number:x}::2/64 dev wan nodad",
        f"route add ::/0 via 2001:db8:0:{number:x}::1",
    )
