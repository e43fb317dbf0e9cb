"""Bounds of carriers, each with unit and reason."""

from pathlib import Path
from typing import Final

from core.errors import LocalError
from core.frozen import frozen
from core.limits import bounds

PATH: Final = "/carry"  # of the upgrade
WSS_PORT: Final = 443  # TCP; what every network that has the Web lets out
LONGEST: Final = (
    1472  # bytes of a datagram: what Ethernet takes (1,500 less IP and UDP); a longer one is lost, as there
)
QUEUED: Final = 128 * 1024  # bytes that wait for a slow TCP connection; more is dropped, as a full router does
AT_ONCE: Final = 64  # datagrams of one carrier that are taken before others have their turn, as of a UDP socket
RATE, BURST = bounds.RELAY_PAIR_RATE, 512 * 1024  # bytes a second of one carrier that are taken, and at once
GRACE: Final = 20.0  # seconds until a connection of ours has to run over it
SILENT: Final = 90.0  # seconds without a datagram until it ends: three keepalives
HEAD_MAX: Final = 4096  # bytes of the request for the upgrade
NEW, NEW_AT_ONCE = 8.0, 32.0  # connections a second that are taken: a TLS handshake costs 2 ms
NEW_HOST, NEW_HOST_AT_ONCE = 0.5, 8.0  # of one host, or of a /48 of IPv6: a home with some who try two ports each
FRIENDS = 64  # hosts at which a friend was: their newcomers wait for no strangers'
SHAKING = 64  # TLS handshakes under way; 100 KB each
SWEEP_EVERY: Final = 5.0  # seconds between looks at all of them
DIAL_WITHIN: Final = 4.0  # seconds for TCP, TLS and the upgrade
APART: Final = 0.3  # seconds between the tries of a port and of 443
DIALLED: Final = 8  # carriers that we open: relays, and brokers


@frozen
class CarrierPorts:
    """TCP ports at which carriers are taken. `tcp` in clear, None: that of UDP while packets are passed on; 0: none.

    `wss`: with TLS, whose PEM files are `certificate` and `key`; None: not opened. What is inside is encrypted anyway.
    """

    tcp: int | None = None
    wss: int | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        """Raise LocalError for TLS without its files."""
        if self.wss is not None and (self.certificate is None or self.key is None):
            raise LocalError("WebSocket with TLS needs a certificate and its key: name both files")
