"""What a user can choose, as one typed record. Each field is checked by itself, so that a bad one costs no other."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from core.errors import LocalError
from core.frozen import frozen
from core.grenache.config import WebConfig
from core.kinds.share import MAX_SHARES
from core.profile.place import read_place
from core.trust.audience import EVERY_SERVICE, Audience
from core.values import Address, JsonValue

DEFAULT_PROFILE: Final = "default"
MAX_AUDIENCES: Final = 1024  # services; those that nobody offers now are kept, for when they are back
MAX_ENTRIES: Final = 32  # grapes or bootstrap nodes; more is a mistake in the file, not a network
MAX_NAME: Final = 128  # characters of a service's name

PUBLIC_DHT: Final = (
    "router.bittorrent.com:6881",
    "dht.transmissionbt.com:6881",
    "dht.libtorrent.org:25401",
    "relay.pkarr.org:6881",
)
"""Where the public DHT is entered, by name; asked only once its owner has said yes, and no node is kept."""

Said = Literal["unset", "on", "off"]
PassesOn = Literal["auto", "off", "friends", "everyone"]
CloseAction = Literal["ask", "tray", "quit"]


@frozen
class WindowState:
    """Where the window was: Qt's own opaque bytes, as base64."""

    geometry: str = ""
    state: str = ""


@frozen
class Settings:
    """What a user chose. A field that the file leaves out has its default.

    `share_at_start` is what older versions had instead of `sharing`: it is read where `sharing` is missing.
    """

    grapes: tuple[str, ...] = ()
    """Grapes to use, as `http://HOST:PORT`, in order. None: the peer brings a grape of its own."""
    bootstrap: tuple[str, ...] = ()
    """Grapes that our own grape joins, as `HOST:PORT` of their DHT. None: those on this machine."""
    dht_port: int = 20001  # customary first grape; the next free one is taken when it is in use
    """UDP port of our own grape; 0: any free one. The next free one is taken when it is in use."""
    api_port: int = 30001  # same
    """TCP port of our own grape's HTTP API, on 127.0.0.1; the same."""
    udp_port: int = 0
    """UDP port of the peer; 0: any free one."""
    share_at_start: tuple[str, ...] = ()
    """Of older versions: services to share at the start, read where `sharing` is missing."""
    audiences: Mapping[str, Audience] = field(default_factory=dict, hash=False)
    """Who may call a service, by its name: `trusted`, `identified`, `anyone` or `off`. `*` stands for all services
    that are not named. A service that is not there has its default."""
    act_as_broker: bool = False
    """Be a broker for others."""
    use_broker: bool = False
    """Let brokers help when both sides are behind a NAT."""
    brokers: tuple[str, ...] = ()
    """Brokers to use, as `HOST:PORT`. None: those that are announced on the grapes."""
    lan: bool = True
    """Find other Grapevines on this network, and be found by them: a random name that changes daily is all that is
    told. Only with a grape of our own, and without `bootstrap`."""
    mainline: Said = "unset"
    """Use the public DHT of BitTorrent, so that friends find this peer without a server: `on` or `off`. `unset`: its
    owner has not been asked, and it is not used."""
    mainline_bootstrap: tuple[str, ...] = PUBLIC_DHT
    """Nodes that the public DHT is entered by, as `NAME:PORT`."""
    open_peer: bool = False
    """Help strangers meet: be an open peer, listed as one on the public DHT, while that is on and others reach this
    peer directly. They leave sealed letters here and wait for theirs; it takes 350 MB a day at the very most."""
    port_mapping: bool = True
    """Ask the router to open this peer's UDP port (PCP, NAT-PMP, UPnP). It is given back at the end."""
    web_listen: str = ""
    """TCP port of HTTP and WebSocket, as `[HOST:]PORT`. Empty: any free one, for programs on this machine."""
    web_certificate: str = ""
    """TLS over HTTP and WebSocket: the file of our certificate, in PEM."""
    web_key: str = ""
    """The file of its key, in PEM."""
    web_authority: str = ""
    """Only certificates of these authorities, a file in PEM. Empty: any, told apart by their fingerprints."""
    web_certificate_required: bool = False
    """Callers over TLS have to have a certificate."""
    web_origins: tuple[str, ...] = ()
    """Web pages that may call over HTTP and WebSocket, by their origins, such as `https://example.org`."""
    web_map: bool = False
    """Ask the router to open that TCP port (PCP, NAT-PMP, UPnP), so that the Internet reaches it. It is given back at
    the end."""
    relay: PassesOn = "auto"
    """Pass on packets for peers that cannot reach each other: `off`, `friends`, `everyone`, or `auto`: for friends, if
    others reach this peer directly."""
    use_relays: bool = True
    """Let friends pass packets on where no direct way is open. They see who is in touch and how much passes, never what
    is said."""
    notify_new_peers: bool = True
    """Notify when a new peer is found."""
    close_action: CloseAction = "ask"
    """What the window's close button does: `ask`, `tray` or `quit`."""
    window: WindowState = field(default_factory=WindowState)
    """Where the window was: Qt's own bytes, as base64."""
    sharing: tuple[str, ...] = ()
    """Services that were shared last, and are shared again at the next start."""
    consuming: tuple[str, ...] = ()
    """Services that were requested repeatedly last, and are again at the next start."""
    shares: tuple[JsonValue, ...] = field(default=(), hash=False)
    """The permanent shares, each as JSON (`core.profile.shares`). One that cannot be read is not run, and is kept."""
    uses: tuple[JsonValue, ...] = field(default=(), hash=False)
    """Services of other peers that are opened again at the next start, each as JSON; the same holds for them."""

    def validate(self) -> "Settings":
        """Return self. Raises LocalError with a sentence that names the first wrong value and what to write instead."""
        for each in dataclasses.fields(self):
            check_field(each.name, getattr(self, each.name))
        return self

    def closed(self) -> "Settings":
        """Return these with nothing open to others: nothing is shared, wanted, or brokered, and nobody may call."""
        return dataclasses.replace(self, **CLOSED)


# What each field about openness is while its owner has not looked at a damaged file. A test holds that no other field
# opens anything.
CLOSED: Final[Mapping[str, Any]] = {
    "audiences": {EVERY_SERVICE: Audience.OFF},
    "share_at_start": (),
    "sharing": (),
    "consuming": (),
    "act_as_broker": False,
    "use_broker": False,
    "shares": (),
    "uses": (),
    "lan": False,
    "mainline": "off",
    "open_peer": False,
    "port_mapping": False,
    "web_listen": "",
    "web_origins": (),
    "web_map": False,
    "relay": "off",
    "use_relays": False,
}


def check_field(name: str, value: object) -> None:
    """Raise LocalError unless a value of the right type is one that this field may have."""
    if name in ("grapes", "bootstrap", "brokers", "mainline_bootstrap", "share_at_start", "sharing", "consuming"):
        entries = value if isinstance(value, tuple) else ()
        if len(entries) > MAX_ENTRIES:
            raise LocalError(f"{name} has more than {MAX_ENTRIES} entries")
        for entry in entries:
            _check_entry(name, entry)
    elif name in ("web_listen", "web_origins"):
        _check_web(name, value)
    elif name in ("dht_port", "api_port", "udp_port"):
        if not isinstance(value, int) or not 0 <= value <= 65535:
            raise LocalError(f"{name} {value} is not a port: use 0 (any) to 65535")
    elif name in ("shares", "uses") and isinstance(value, tuple) and len(value) > MAX_SHARES:
        raise LocalError(f"{name} has more than {MAX_SHARES} entries")
    elif name == "audiences" and isinstance(value, Mapping) and len(value) > MAX_AUDIENCES:
        raise LocalError(f"audiences has more than {MAX_AUDIENCES} services")


def _check_web(name: str, value: object) -> None:
    if isinstance(value, tuple):
        if len(value) > MAX_ENTRIES:
            raise LocalError(f"{name} has more than {MAX_ENTRIES} entries")
        try:
            WebConfig(origins=value)
        except LocalError as error:
            raise LocalError(f"{name}: {error}") from None
    elif value:
        try:
            read_place(str(value))
        except ValueError as error:
            raise LocalError(f"{name} {error}") from None


def _check_entry(name: str, entry: str) -> None:
    if name == "grapes":
        check_grape_url(entry)
    elif name in ("bootstrap", "brokers", "mainline_bootstrap"):
        try:
            Address.parse(entry)
        except ValueError as error:
            raise LocalError(f"{'broker' if name == 'brokers' else 'bootstrap node'} {error}") from None
    elif not 0 < len(entry) <= MAX_NAME or not entry.isprintable():
        raise LocalError(f"{name} has {entry[:MAX_NAME]!r}, which is not the name of a service")


def check_grape_url(url: str) -> str:
    """Return the URL. Raises LocalError unless it is http(s)://host:port with nothing behind it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise LocalError(f"{url!r} is not a grape's address: write it like http://192.0.2.7:30001")
    if port is None:
        usual = f"{url.rstrip('/')}:30001"
        raise LocalError(f"{url!r} has no port: a grape's HTTP API usually listens on 30001, as in {usual}")
    return url


def check_profile(name: str) -> str:
    """Return the profile's name. Raises LocalError unless it is 1 to 32 letters, digits, `-` or `_`."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name):
        raise LocalError(f"{name!r} is not a profile name: use 1 to 32 letters, digits, - or _")
    return name
