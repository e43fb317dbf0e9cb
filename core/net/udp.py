"""Opens UDP sockets: datagrams arrive in batches, leave in bursts, and no send or ICMP error ever raises.

Where the loop has `add_reader` (every POSIX loop, qasync's included) the socket is read directly, a bounded part of
what is there per wake-up. Elsewhere (Windows proactor) asyncio's datagram transport does the work.
"""

import asyncio
import contextlib
import errno
import socket

from core.aio.names import look_up
from core.errors import LocalError
from core.net.reader_socket import ReaderSocket
from core.net.socket_options import configure, default_uses_reader
from core.net.transport_socket import TransportSocket
from core.net.udp_socket import Received, Receiver, UdpSocket, UdpStatistics
from core.scope import is_six
from core.values import Address, canonical

__all__ = ["Received", "Receiver", "UdpSocket", "UdpStatistics", "open_udp", "resolve"]


async def open_udp(bind: Address, *, use_reader: bool | None = None, batching: bool | None = None) -> UdpSocket:
    """Open a socket bound to `bind` (port 0: any free one).

    `use_reader` forces the direct (True) or the transport (False) way; None picks what the loop can do. `batching`:
    many datagrams per system call where the system can (None), never (False), or an error where it cannot (True).
    Raises LocalError that names the port and what to do when the address cannot be had.
    """
    loop = asyncio.get_running_loop()
    target = await resolve(bind)
    sock = _bound_socket(target)
    try:
        if default_uses_reader(loop) if use_reader is None else use_reader:
            reader = ReaderSocket(sock, loop, batching=batching is not False)
            if batching and not reader.batches:
                raise LocalError(_NO_BATCHING)
            return reader
        if batching:
            raise LocalError(_NO_BATCHING)
        protocol = TransportSocket(sock)
        await loop.create_datagram_endpoint(lambda: protocol, sock=sock)
        return protocol
    except BaseException:
        sock.close()
        raise


_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_NO_BATCHING = "this system cannot move many datagrams in one call: leave `batching` at None to do without where needed"


async def resolve(address: Address) -> Address:
    """Return `address` with its host as canonical IPv4 or IPv6 text, asking the resolver for names.

    A name that has both is taken by IPv4. Raises LocalError for a name without an address and for a port out of range.
    """
    if not 0 <= address.port <= 65535:
        raise LocalError(f"{address.port} is not a UDP port: use a number from 1 to 65535")
    if ":" in address.host:
        return Address(_canonical(address.host), address.port)
    try:
        return Address(socket.inet_ntoa(socket.inet_aton(address.host)), address.port)
    except OSError:
        pass
    try:
        found = await look_up(address.host, address.port, socket.AF_UNSPEC, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise LocalError(f"the name {address.host!r} has no address ({error}): check its spelling") from error
    hosts = [str(each[4][0]) for each in sorted(found, key=lambda each: each[0] != socket.AF_INET)]
    return Address(_canonical(hosts[0]), address.port)


async def resolve_4(address: Address) -> Address:
    """Return `address` as `resolve` does, for those who know IPv4 only: the public DHT (BEP 5)."""
    found = await resolve(address)
    if is_six(found.host):
        raise LocalError(f"{address.host!r} has no IPv4 address, and the public DHT uses no other")
    return found


async def resolve_both(address: Address) -> list[Address]:
    """Return `address` by IPv4 and by IPv6, as far as its name has both. Raises LocalError as `resolve` does."""
    first = await resolve(address)
    if is_six(first.host) or not _is_name(address.host):
        return [first]
    with contextlib.suppress(OSError, UnicodeError):
        found = await look_up(address.host, address.port, socket.AF_INET6, socket.SOCK_DGRAM)
        six = [str(each[4][0]) for each in found if each[0] == socket.AF_INET6]
        return [first, *(Address(_canonical(host), address.port) for host in six[:1])]
    return [first]


def _is_name(host: str) -> bool:
    try:
        socket.inet_aton(host)
    except OSError:
        return True
    return False


async def destination(remote: Address) -> Address:
    """Return where `remote` is reached; the unspecified address, as an endpoint's own is, means this machine.

    Raises LocalError as `resolve` does.
    """
    resolved = await resolve(remote)
    here = _HERE.get(resolved.host)
    return resolved if here is None else Address(here, resolved.port)


def _canonical(host: str) -> str:
    """Return an IP host as it is written everywhere; a link-local one names its interface. Raises LocalError."""
    try:
        found = canonical(host)
    except ValueError:
        raise LocalError(f"{host!r} is not an IPv6 address: check its spelling") from None
    text, percent, zone = found.partition("%")
    if percent and zone.isascii() and zone.isdigit():
        with contextlib.suppress(OSError, OverflowError):
            return f"{text}%{socket.if_indextoname(int(zone))}"
    return found


def _bound_socket(bind: Address) -> socket.socket:
    six = ":" in bind.host
    try:
        sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    except OSError as error:  # a system without IPv6
        raise LocalError(_bind_advice(bind, error)) from error
    try:
        sock.setblocking(False)
        if six:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        configure(sock)
        sock.bind(bind)
    except OSError as error:
        sock.close()
        raise LocalError(_bind_advice(bind, error)) from error
    return sock


def _bind_advice(bind: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"UDP port {bind.port} is in use by another program: close that program or choose another port"
    if error.errno == errno.EACCES:
        return f"UDP port {bind.port} is forbidden here: choose a port from 1024 to 65535, or 0 for any free one"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {bind.host} for UDP port {bind.port}: use 0.0.0.0 for all its addresses"
    return f"UDP port {bind.port} on {bind.host} cannot be opened ({error}): choose another port or address"
