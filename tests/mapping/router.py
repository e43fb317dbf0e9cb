"""A home behind a router that runs `miniupnpd`: three namespaces, ours at home, somebody outside, and the router."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.natlab.namespaces import (
    batch,
    configure,
    inside,
    load_rules,
    remove,
    remove_leftovers,
    run,
    set_options,
    stem,
)

HOME, OUTSIDE = "192.168.60.2", "11.0.0.9"
HOME_6, OUTSIDE_6 = "2001:db8:60::2", "2001:db8:0:1::9"
_LAN, _WAN = "192.168.60.1", "11.0.0.1"
_LAN_6, _WAN_6 = "2001:db8:60::1", "2001:db8:0:1::1"
_RULES = """
table inet filter {
  chain miniupnpd {
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan" accept
    jump miniupnpd
  }
  chain input {
    type filter hook input priority 0; policy accept;
    iifname "wan" ct state new drop
  }
}
table inet nat {
  chain prerouting_miniupnpd {
  }
  chain postrouting_miniupnpd {
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump prerouting_miniupnpd
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" masquerade
    jump postrouting_miniupnpd
  }
}
"""


class Router:
    """The router, and the two beside it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.home, self.outside, self._name = f"{name}-home", f"{name}-outside", f"{name}-router"
        self._folder = folder
        self._program: subprocess.Popen[bytes] | None = None

    @property
    def at_home(self) -> Sequence[str]:
        """Prefix of a command that runs at home."""
        return inside(self.home)

    def build(self) -> None:
        """Make the namespaces and the links."""
        batch(*(f"netns add {each}" for each in (self.home, self.outside, self._name)))
        for name, host, link, gateway in ((self.home, HOME, "lan", _LAN), (self.outside, OUTSIDE, "wan", _WAN)):
            run("ip", "-n", self._name, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
            configure(self._name, f"addr add {gateway}/24 dev {link}", f"link set {link} up")
            configure(name, f"addr add {host}/24 dev eth0", "link set eth0 up")
        configure(self.home, f"route add default via {_LAN}")
        set_options(self._name, {"ipv4/ip_forward": 1})
        load_rules(self._name, _RULES)

    def add_six(self, *, four: bool = True) -> None:
        """Have IPv6 at all three, and at home nothing else unless `four`."""
        set_options(self._name, {"ipv6/conf/all/forwarding": 1})
        link = "fe80::60"  # the router's, as it is the default route of a home
        configure(
            self._name, f"addr add {_LAN_6}/64 dev lan nodad", f"addr add {link}/64 dev lan nodad",
            f"addr add {_WAN_6}/64 dev wan nodad",
        )  # fmt: skip
        configure(self.home, f"addr add {HOME_6}/64 dev eth0 nodad", f"route add default via {link} dev eth0")
        configure(self.outside, f"addr add {OUTSIDE_6}/64 dev eth0 nodad", f"route add 2001:db8:60::/64 via {_WAN_6}")
        if not four:
            configure(self.home, f"addr del {HOME}/24 dev eth0")

    def start(self, *, pcp: bool, upnp: bool) -> None:
        """Start `miniupnpd` with those protocols."""
        conf = self._folder / "miniupnpd.conf"
        conf.write_text(
            f"ext_ifname=wan\nlistening_ip=lan\nenable_upnp={'yes' if upnp else 'no'}\n"
            f"enable_natpmp={'yes' if pcp else 'no'}\nsecure_mode=yes\nsystem_uptime=yes\n"
            f"ext_ip={_WAN}\n"
            "upnp_table_name=filter\nupnp_nat_table_name=nat\nupnp_forward_chain=miniupnpd\n"
            "upnp_nat_chain=prerouting_miniupnpd\nupnp_nat_postrouting_chain=postrouting_miniupnpd\n"
            "uuid=00000000-0000-0000-0000-000000000001\nallow 1024-65535 0.0.0.0/0 1024-65535\n"
            "deny 0-65535 0.0.0.0/0 0-65535\n",
            encoding="ascii",
        )
        if not pcp:  # it answers PCP over IPv6 all the same
            chain = "type filter hook input priority 0; policy accept; udp dport 5351 drop"
            load_rules(self._name, _RULES + f"table ip6 quiet {{\nchain input {{ {chain}; }}\n}}\n")
        with (self._folder / "miniupnpd.log").open("wb") as log:
            self._program = subprocess.Popen(
                [*inside(self._name), "miniupnpd", "-d", "-f", str(conf), "-P", str(self._folder / "pid")],
                stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip

    def stop(self) -> None:
        """End it, as a power cut would."""
        if self._program is not None:
            self._program.kill()
            self._program.wait(10)
            self._program = None
        load_rules(self._name, _RULES)

    def remove(self) -> None:
        """End all of it."""
        if self._program is not None:
            self._program.kill()
            self._program.wait(10)
        remove((self.home, self.outside, self._name))

    def let_in(self) -> str:
        """Return the rules that it made for IPv6."""
        return run(*inside(self._name), "nft", "list", "chain", "inet", "filter", "miniupnpd")

    def forwarded(self) -> str:
        """Return the rules that it made."""
        return run(*inside(self._name), "nft", "list", "chain", "inet", "nat", "prerouting_miniupnpd")


@contextlib.contextmanager
def router(folder: Path) -> Iterator[Router]:
    """Have one, without a program yet."""
    remove_leftovers()
    made = Router(stem(), folder)
    try:
        made.build()
        yield made
    finally:
        made.remove()
