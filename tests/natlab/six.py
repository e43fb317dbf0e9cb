"""IPv6 for places of the Internet of namespaces: each home has a /64 of its own, behind a firewall or none.

No router translates it. A home's firewall lets in answers only, as those that providers hand out do: what nobody inside
asked for is dropped. The addresses are of the documentation's range (RFC 3849), which `core.scope` has for public.
"""

import time

from tests.natlab import namespaces as ns
from tests.natlab.internet import Internet, Public, Site

SETTLED = 15.0  # seconds for addresses to be theirs, on a machine that is busy
_FIREWALL = """
table ip6 firewall {{
  chain forward {{ type filter hook forward priority filter; policy {policy};
    iifname "lan" accept
    ct state established,related accept
  }}
}}
"""
_TRANSLATION = """
table ip6 translation {{
  chain prerouting {{ type nat hook prerouting priority dstnat; policy accept;
    iifname "wan" {inward}
  }}
  chain postrouting {{ type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" {outward}
  }}
}}
"""
_OWN = "fd12:3456::/64"


def _number(namespace: str) -> int:
    return int(namespace.rpartition("_")[2])


def public_with_six(world: Internet, place: Public) -> str:
    """Give a public machine IPv6; return its address."""
    number = _number(place.namespace)
    _join(world, f"p{number}", place.namespace, number)
    _settle(world.core, place.namespace)
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
    _settle(world.core, router, host)
    return f"2001:db8:1:{number:x}::5"


def only_six(site: Site) -> None:
    """Take IPv4 away from a site's first machine."""
    ns.run("ip", "-n", site.hosts[0], "-4", "addr", "flush", "dev", "eth0")


def translated_six(world: Internet, site: Site, *, prefix: bool) -> str:
    """Give a site's first machine an address of the home's own, behind a router that translates IPv6.

    `prefix`: each address to one of the provider's (NPTv6, RFC 6296), else all to the router's own (NAT66). Return the
    address that the Internet sees.
    """
    number = _number(site.hosts[0])
    outside = site_with_six(world, site)
    given = f"2001:db8:1:{number:x}::/64"
    router, host = site.routers[0], site.hosts[0]
    ns.configure(router, "addr add fd12:3456::1/64 dev lan nodad", f"addr del 2001:db8:1:{number:x}::1/64 dev lan")
    ns.configure(host, f"addr del {outside}/64 dev eth0", "addr add fd12:3456::5/64 dev eth0 nodad")
    ns.configure(host, "route replace ::/0 via fd12:3456::1")
    inward = f"dnat ip6 prefix to ip6 daddr map {{ {given} : {_OWN} }}" if prefix else "accept"
    outward = f"snat ip6 prefix to ip6 saddr map {{ {_OWN} : {given} }}" if prefix else "masquerade"
    rules = _TRANSLATION.format(inward=inward, outward=outward)
    ns.run(*ns.inside(router), "nft", "-f", "-", stdin=rules)
    return outside if prefix else f"2001:db8:0:{number:x}::2"


def _settle(*namespaces: str) -> None:
    """Wait until no machine asks any longer whether somebody has its link-local address (RFC 4862): 1 to 2 s.

    Before that none finds its neighbours, so that a first packet would take as long.
    """
    until = time.monotonic() + SETTLED
    while any(ns.run("ip", "-n", each, "-6", "addr", "show", "tentative") for each in namespaces):
        if time.monotonic() > until:
            raise OSError(f"after {SETTLED} s an address of {', '.join(namespaces)} is still looked for")
        time.sleep(0.1)


def _join(world: Internet, device: str, namespace: str, number: int) -> None:
    """Number the link between the core and what is plugged into it."""
    ns.set_options(world.core, {"ipv6/conf/all/forwarding": 1})
    ns.configure(world.core, f"addr add 2001:db8:0:{number:x}::1/64 dev {device} nodad")
    ns.configure(
        namespace,
        f"addr add 2001:db8:0:{number:x}::2/64 dev wan nodad",
        f"route add ::/0 via 2001:db8:0:{number:x}::1",
    )
