"""How a peer is opened: one frozen record, from settings or from the command line."""

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from core.carrying.config import CarrierPorts
from core.frozen import frozen
from core.grenache.config import WebConfig
from core.profile.fields import PassesOn, Said, Settings
from core.profile.web import web_config
from core.trust.audience import Audience

if TYPE_CHECKING:  # loads 7 MB of cryptography
    from core.identity.identity import Identity


@frozen
class KeyPlace:
    """Where a profile's identity is kept, or will be: `core.identity.keystore` opens it.

    `on_made` hears, once in the life of a key, a sentence about where it was put, if only its file protects it, and
    what was wrong with that file. `patience` is how many seconds a keyring gets at the very first start, before the key
    is put into a file until it answers.
    """

    directory: Path
    profile: str
    on_made: Callable[[str], None] | None = field(default=None, compare=False)
    patience: float = field(default=10.0, compare=False)


@frozen
class PeerConfig:
    """With `grapes` (URLs) those are used; without, an embedded grape starts.

    `bootstrap` None means: join the grapes that already run on this machine. An explicit tuple, empty
    included, means: exactly these nodes. Ports are first choices of the embedded grape; 0 means any.

    `identity` is opened while the grape starts. None, or one that cannot be opened: nothing is encrypted.
    `trust_file` has the known peers; without one they are forgotten at the end. `calls_file` gets a record of every
    request that is served; without one there is none. `invitations_file` has the invitations; without one they are
    forgotten at the end. `places_file` has where people were met on our networks, and our port; without one they are
    forgotten too. `audiences`, and what is said of brokers, are those at the
    start: they change while a peer is open, so that a configuration with others is no other one. `brokers` are those
    to use, as `host:port`; none: those that are announced. `lan`: peers on this network are looked for, if the
    embedded grape may join the grapes that it finds, that is with neither `grapes` nor `bootstrap`. `mainline` "on":
    the public DHT is used, and entered by the nodes that `mainline_file` has kept, or by `mainline_bootstrap`.
    embedded grape may join the grapes that it finds, that is with neither `grapes` nor `bootstrap`. `port_mapping`:
    the router is asked to open our UDP port.
    `open_peer`: strangers may meet by this peer, once others have reached it for `reachable_for` seconds.
    `open_peers_file` has those that others are; without one they are found again at each start.
    `relay`: who may have packets passed on. `use_relays`: friends may pass ours on. `carry`: TCP ports at which those
    are served whose UDP is blocked.
    """

    grapes: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] | None = None
    dht_port: int = 20001
    api_port: int = 30001
    udp_port: int = 0
    bind: str = "0.0.0.0"
    identity: "Identity | KeyPlace | None" = None
    trust_file: Path | None = None
    calls_file: Path | None = None
    invitations_file: Path | None = None
    places_file: Path | None = None
    audiences: Mapping[str, Audience] = field(default_factory=dict, compare=False)
    act_as_broker: bool = field(default=False, compare=False)
    use_broker: bool = field(default=False, compare=False)
    brokers: tuple[str, ...] = field(default=(), compare=False)
    lan: bool = False
    port_mapping: bool = False
    web: WebConfig = field(
        default_factory=WebConfig
    )  # where services are opened over HTTP and WebSocket, those that are
    mainline: Said = "off"
    mainline_bootstrap: tuple[str, ...] = ()
    mainline_file: Path | None = None
    open_peer: bool = False
    open_peers_file: Path | None = None
    reachable_for: float = field(default=900.0, compare=False)  # BEP 43's 15 minutes
    relay: PassesOn = field(default="off", compare=False)
    use_relays: bool = field(default=False, compare=False)
    carry: CarrierPorts = field(default_factory=CarrierPorts)

    @classmethod
    def from_settings(
        cls, settings: Settings, *, trust_file: Path | None = None, calls_file: Path | None = None,
        invitations_file: Path | None = None, places_file: Path | None = None, mainline_file: Path | None = None,
        open_peers_file: Path | None = None,
    ) -> "PeerConfig":  # fmt: skip
        """Take a profile's settings, except those of the window; `SettingsStore` says where the files are."""
        return cls(
            grapes=settings.grapes,
            bootstrap=settings.bootstrap or None,
            dht_port=settings.dht_port,
            api_port=settings.api_port,
            udp_port=settings.udp_port,
            trust_file=trust_file,
            calls_file=calls_file,
            invitations_file=invitations_file,
            places_file=places_file,
            audiences=settings.audiences,
            act_as_broker=settings.act_as_broker,
            use_broker=settings.use_broker,
            brokers=settings.brokers,
            lan=settings.lan,
            mainline=settings.mainline,
            mainline_bootstrap=settings.mainline_bootstrap,
            mainline_file=mainline_file,
            open_peer=settings.open_peer,
            open_peers_file=open_peers_file,
            port_mapping=settings.port_mapping,
            web=web_config(settings),
            relay=settings.relay,
            use_relays=settings.use_relays,
        )
