"""Counters of a `Mux`: a running set, and the frozen copy that its owner gets."""

from dataclasses import asdict

from core.frozen import dataclass


@dataclass(slots=True)
class Counters:
    """Running counts since the mux was made; written by the mux and its connections. See `MuxStatistics`."""

    received: int = 0
    sent: int = 0
    dropped_malformed: int = 0
    dropped_unknown: int = 0
    dropped_ack: int = 0
    dropped_far: int = 0
    dropped_window: int = 0
    duplicates: int = 0
    retransmitted: int = 0
    timeouts: int = 0
    probes: int = 0
    fast_losses: int = 0
    resets_sent: int = 0
    resets_received: int = 0
    resets_dropped: int = 0
    refused: int = 0
    accepted: int = 0
    connected: int = 0
    path_probes: int = 0
    path_confirmed: int = 0
    path_answers: int = 0
    path_dropped: int = 0
    path_shrunk: int = 0
    black_holes: int = 0
    moved: int = 0
    checks: int = 0
    checks_failed: int = 0
    checks_refused: int = 0
    cookies_sent: int = 0
    cookies_redeemed: int = 0
    challenges: int = 0
    evicted: int = 0


@dataclass(frozen=True, slots=True)
class MuxStatistics:
    """The counts at one moment, since the mux was made; the last three are how many there are now."""

    received: int  # datagrams
    sent: int  # datagrams
    dropped_malformed: int  # not uTP, or lying lengths
    dropped_unknown: int  # of no connection
    dropped_ack: int  # acks of what was never sent, or far too old
    dropped_far: int  # sequence numbers out of reach, or past the peer's own FIN
    dropped_window: int  # data we had no room for
    duplicates: int  # data we had already
    retransmitted: int  # packets sent again
    timeouts: int  # retransmission timers that ran out
    probes: int  # timers for a probe that ran out
    fast_losses: int  # packets found lost without a timeout
    resets_sent: int  # answers to packets of no connection
    resets_received: int  # those that closed a connection
    resets_dropped: int  # those that matched none
    refused: int  # SYNs over a bound
    accepted: int  # connections from others that were confirmed
    connected: int  # connections to others that were answered
    path_probes: int  # probes for a longer packet that we sent
    path_confirmed: int  # those that were answered
    path_answers: int  # answers to the probes of others
    path_dropped: int  # probes and answers that were wrong, late, or too many
    path_shrunk: int  # times that a connection's packets became smaller
    black_holes: int  # those times for which nothing told the reason
    moved: int  # connections that went on at another address
    checks: int  # addresses that looked like a connection's new one and were asked
    checks_failed: int  # those that did not answer in time, or not as its peer would
    checks_refused: int  # packets from such addresses that a bound kept from being asked
    cookies_sent: int  # SYNs that were answered and not kept, since too many are half-open
    cookies_redeemed: int  # connections that were made of the packet after such a SYN
    challenges: int  # RESETs and SYNs that fit a connection, and were answered by a question instead of its end
    evicted: int  # connections that others opened and that made room
    connections: int  # now, half-open ones included
    half_open: int  # now
    kept: int  # of known peers, now


def snapshot(counters: Counters, connections: int, half_open: int, kept: int) -> MuxStatistics:
    """Return a frozen copy of the counters."""
    return MuxStatistics(**asdict(counters), connections=connections, half_open=half_open, kept=kept)
