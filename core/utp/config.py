"""The numbers of the uTP engine: each with its unit, its source and its reason."""

from core.frozen import dataclass
from core.wire.utp_marks import OUR_MARKS, Marks
from core.wire.utp_packet import HEADER_BYTES

KIB = 1024


@dataclass(frozen=True, slots=True)
class UtpConfig:
    """Bounds and times of one `Mux`. Sizes are bytes and times seconds unless the name says otherwise."""

    marks: Marks = OUR_MARKS
    """What our SYN, and our answer to a marked one, say that we can do; none: we look like a plain peer. SECURE is for
    who has an identity."""
    mtu: int = 1402
    """UDP payload of a full packet. libutp's IPv4 value: 1500 Ethernet - 20 IP - 8 UDP - 24 GRE - 8 PPPoE - 2 MPPE - 36
    spare, so that it passes the usual tunnels unfragmented."""
    packet_max: int = 16_356
    """UDP payload of the longest packet that is looked for, between peers that answer probes. Four fill a batch of
    UDP_SEGMENT; twice as long ones save 8 % of the processor time and hold a loop up for twice as long (measured)."""
    receive_window: int = 1024 * KIB
    """Bytes kept for a reader that does not read; libutp's default (PROTOCOL section 5)."""
    unread_packets: int = 8192
    """Chunks kept for a reader that does not read, so that tiny packets cannot cost more memory than big ones."""
    reorder_packets: int = 1024
    """Packets past a gap that are kept; libutp's REORDER_BUFFER_MAX_SIZE. What is farther ahead is dropped."""
    selective_ack_bits: int = 256
    """Packets past a gap that we report; libutp reports 30. Bounds the work an ack makes, a multiple of 32."""
    send_buffer: int = 1024 * KIB
    """Bytes written and not yet acknowledged; one receive window, so that it can be filled. A packet's at least."""
    send_packets: int = 4096
    """Packets waiting to be sent for the first time; bounds what many tiny boundary writes cost."""
    in_flight_packets: int = 1000
    """Packets sent and not acknowledged. libutp ignores packets, acks too, 1024 ahead of its own count."""
    connections: int = 1024
    """All connections of the socket, half-open ones aside. Full: one that others opened makes room
    (`core.utp.accepted`). If there is none, `connect` raises LocalError, and a SYN is dropped and counted."""
    connections_per_host: int = 256
    """Accepted connections from one IPv4 address or IPv6 /64, those of known peers aside (many may share a NAT).
    Full: one of its own that never delivered a byte makes room; if there is none, a SYN is dropped and counted."""
    connections_kept: int = 128
    """AcceptedConnections that only connections of known peers may take; an eighth of `connections` at most."""
    first_byte_max: float = 30.0
    """How long a connection may be silent when half of the places are taken; before that nobody needs its place."""
    first_byte_min: float = 3.0
    """The same when all are taken: a first byte that is lost twice comes within 3 s (`rto_initial` and its double)."""
    half_open: int = 128
    """SYNs answered and not yet confirmed. Full: more are answered and not kept (`core.utp.syn_cookies`)."""
    half_open_timeout: float = 45.0
    """An initiator whose ack was lost, or that sends none, confirms by its keepalive, 29 s after our last answer."""
    events: int = 16384
    """Events nobody fetched. Full: SYNs are dropped and counted, and no event is ever lost."""
    closed_kept: int = 1024
    """Closed connections remembered so that the peer's repeated FIN is acked; full: the oldest is forgotten."""
    closed_kept_for: float = 60.0
    """As long as a peer of our kind repeats its FIN (`dead_after`)."""
    resets_per_second: float = 64.0
    """Answers to packets of no connection; libutp: 1000 in 10 s for all. Also the size of a burst of them."""

    syn_timeout: float = 1.0
    """First wait for the answer to a SYN; BEP 29 and RFC 6298: 1 s. libutp's 3 s are long behind a punched hole."""
    syn_timeout_max: float = 4.0
    """The wait doubles up to this, so that a SYN sent too early for a hole is soon followed by another."""
    syn_attempts: int = 10
    """SYNs sent before giving up, after 35 s; at 40 % loss each way one connect in 90 fails (libutp sends 3)."""
    rto_initial: float = 1.0
    """RFC 6298 section 2.1, BEP 29 "timeouts"."""
    rto_min: float = 0.5
    """BEP 29 "timeouts": max(rtt + rtt_var * 4, 500 ms)."""
    rto_max: float = 6.0
    """Back-off stops here: `dead_after` then allows a dozen tries. (RFC 6298 allows 60 s, libutp gives up first.)"""
    dead_after: float = 60.0
    """Without any progress of what was sent, while the peer's window is open. libutp: 4 timeouts, about 15 s."""
    idle_timeout: float = 120.0
    """Nothing heard at all: four of libutp's keepalives missed, eight of ours. After a sleep `wake_grace` is left
    of it at least."""
    half_closed_timeout: float = 300.0
    """We sent FIN, it was acked, and the peer neither sends data nor FIN, though it lives."""
    keepalive: float = 15.0
    """Silence of ours before an ack is repeated, unless the owner knows the router's time (`Mux.keep_alive`). Half of
    the 30 s after which the worst home routers forget (IMC 2010, Linux one way); libutp's 29 s are too late there."""
    first_keepalive: float = 1.0
    """The first silence after data, with peers that follow us (`IdleTimers.spoke`); a round trip and some timeouts."""
    ack_delay: float = 0.005
    """How long an ack waits for data to ride on, or for a second packet. Short: libutp holds small writes back until it
    comes (Nagle)."""

    target_delay: float = 0.06
    """LEDBAT's TARGET: RFC 6817 allows up to 100 ms of queue, LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus) takes 60."""
    initial_window_packets: int = 10
    """First congestion window; RFC 6928."""
    increase_bytes: int = 3000
    """Most the window grows in a round trip after slow start; libutp's MAX_CWND_INCREASE_BYTES_PER_RTT."""

    def __post_init__(self) -> None:
        """Raise ValueError for a send buffer that no message of a full packet would ever fit."""
        if self.send_buffer < self.payload_bytes:
            raise ValueError(f"send_buffer of {self.send_buffer} bytes: mtu {self.mtu} needs {self.payload_bytes}")
        object.__setattr__(self, "connections_kept", min(self.connections_kept, self.connections // 8))

    @property
    def wake_grace(self) -> float:
        """Seconds in which a peer must be heard after we slept: it answers our keepalive, or speaks by itself."""
        return self.keepalive + self.rto_max

    @property
    def payload_bytes(self) -> int:
        """Most bytes that one packet carries: what a message to a plain Grenache peer may have at most."""
        return self.mtu - HEADER_BYTES
