"""How a peer is opened: one frozen record, from settings or from the command line."""

from dataclasses import dataclass

from core.settings import Settings


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """With `grapes` (URLs) those are used; without, an embedded grape starts.

    `bootstrap` None means: join the grapes that already run on this machine. An explicit tuple, empty
    included, means: exactly these nodes. Ports are first choices of the embedded grape; 0 means any.
    """

    grapes: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] | None = None
    dht_port: int = 20001
    api_port: int = 30001
    udp_port: int = 0
    bind: str = "0.0.0.0"

    @classmethod
    def from_settings(cls, settings: Settings) -> "PeerConfig":
        """Take the network part of a profile's settings."""
        return cls(
            grapes=settings.grapes,
            bootstrap=settings.bootstrap or None,
            dht_port=settings.dht_port,
            api_port=settings.api_port,
            udp_port=settings.udp_port,
        )
