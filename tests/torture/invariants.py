"""What must hold of a mux between any two calls, whatever came. The one file of the torture that looks inside."""

from itertools import pairwise

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.mux import Mux
from core.utp.path_search import SAFE
from core.utp.receive_window import ReceiveWindow
from core.utp.sender import Sender
from core.utp.state import State
from core.wire.utp_packet import HEADER_BYTES, seq_add, seq_diff

_STALE_TIMERS = 64  # superseded timers that a mux may keep, beside as many as it has connections


class Broken(AssertionError):
    """An invariant does not hold."""


def demand(holds: bool, what: str, *values: object) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(f"{what}: {values}")


def check_mux(mux: Mux, config: UtpConfig) -> None:
    """Check every table of a mux, and every connection in it."""
    connections = mux._connections
    most = config.connections + len(mux._half_open)
    demand(len(connections) <= most, "too many connections", len(connections))
    demand(len(mux._half_open) <= config.half_open, "too many half-open", len(mux._half_open))
    demand(len(mux._closed) <= config.closed_kept, "too many closed ones kept", len(mux._closed))
    accepted = [each for each in connections.values() if not each.initiated and each.state is not State.SYN_RECEIVED]
    demand(all(each in mux._accepted for each in accepted), "accepted, without a place", len(accepted))
    demand(len(mux._accepted) == len(accepted), "places of nobody", len(mux._accepted), len(accepted))
    demand(len(mux._timers) <= 2 * len(connections) + 2 * _STALE_TIMERS, "too many timers", len(mux._timers))
    known = sorted(id(each) for same in mux._rebinding._by_id.values() for each in same)
    demand(known == sorted(map(id, connections.values())), "ids and connections differ", len(known), len(connections))
    for key, connection in connections.items():
        demand(key == (connection.remote, connection.receive_id), "under another key", key, connection.remote)
        demand(connection.state is not State.CLOSED, "closed and in the table", key)
        demand((connection.state is State.SYN_RECEIVED) == (key in mux._half_open), "half-open or not", key)
        check_connection(connection, config)


def check_empty(mux: Mux) -> None:
    """Check that nothing of the connections of a mux is left but closed ones and stale timers."""
    tables = (mux._connections, mux._half_open, mux._accepted, mux._touched)
    demand(not mux._timers.live, "timers of nobody", mux._timers.live)
    demand(not any(len(each) for each in tables), "left behind", *(len(each) for each in tables))
    demand(not (mux._rebinding._by_id or mux._rebinding._checks), "left behind", mux._rebinding._by_id)
    demand(not mux._outbox, "never sent", mux._outbox)
    demand(len(mux._timers) <= 2 * _STALE_TIMERS, "timers left", len(mux._timers))


def check_connection(connection: Connection, config: UtpConfig) -> None:
    """Check both halves of a connection."""
    check_receive_window(connection._receive, config)
    check_sender(connection._sender, config)


def check_receive_window(receive: ReceiveWindow, config: UtpConfig) -> None:
    """What is kept past a gap, what is unread, and their bounds."""
    marked = [ahead for ahead in range(receive._mask.bit_length()) if receive._mask >> ahead & 1]
    bits = {seq_add(receive.next_seq, ahead) for ahead in marked}
    demand(bits == set(receive._kept), "mask and kept differ", bits, set(receive._kept))
    demand(not receive._mask & 1, "the next packet is kept past a gap", receive.next_seq)
    demand(receive._mask.bit_length() <= config.reorder_packets, "kept too far ahead", receive._mask.bit_length())
    kept, unread = sum(map(len, receive._kept.values())), sum(map(len, receive._chunks))
    demand(kept == receive._kept_bytes, "kept bytes", kept, receive._kept_bytes)
    demand(unread == receive.unread_bytes, "unread bytes", unread, receive.unread_bytes)
    demand(kept + unread <= 2 * config.receive_window + 0xFFFF, "too much kept", kept, unread)
    demand(len(receive._chunks) <= config.unread_packets + config.reorder_packets, "chunks", len(receive._chunks))
    demand(0 <= receive.available() <= config.receive_window, "window", receive.available())


def check_sender(sender: Sender, config: UtpConfig) -> None:
    """What is in flight, lost and queued, and the congestion window."""
    window, queue = sender._window, sender._queue
    flight, lost = window._flight, window._lost
    demand(not flight.keys() & lost.keys(), "both lost and in flight", flight.keys() & lost.keys())
    in_flight = sum(len(segment.payload) for segment in flight.values())
    both = in_flight + sum(len(segment.payload) for segment in lost.values())
    demand(in_flight == window.flight_bytes, "flight bytes", in_flight, window.flight_bytes)
    demand(both == window.unacked_bytes, "unacked bytes", both, window.unacked_bytes)
    for seq, segment in (flight | lost).items():
        demand(seq == segment.seq, "segment under another number", seq, segment.seq)
        demand(0 <= seq_diff(seq, window.base) < window.span, "outside of the window", seq, window.base)
    held = bool(flight or lost)
    demand(held == (window.base != window.next_seq), "base and what is held", window.base, window.next_seq)
    demand(not held or window.base in flight or window.base in lost, "base is not held", window.base)
    demand(window.span <= config.in_flight_packets + 1, "too many in flight", window.span)  # and FIN
    demand(all(a.order < b.order for a, b in pairwise(flight.values())), "flight not in order", list(flight))
    queued = sum(len(data) for data, _ in queue._entries) - queue._offset
    demand(queued == queue.size, "queued bytes", queued, queue.size)
    demand(queued + both <= config.send_buffer, "send buffer", queued, both)
    demand(len(queue) <= config.send_packets, "queued entries", len(queue))
    congestion = sender._congestion.window
    least, most = min(config.payload_bytes, SAFE - HEADER_BYTES), config.in_flight_packets * config.packet_max
    demand(least <= congestion <= most, "congestion window", congestion)
    waiting = held or queued
    demand(not waiting or sender.deadline() is not None or sender.peer_window == 0 or not held, "no timer", window.base)
