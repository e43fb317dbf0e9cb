"""What differs between systems about a UDP socket: buffer sizes, exclusive ports, Windows' connection resets."""

import asyncio
import contextlib
import socket
import sys

# Bytes asked of the kernel each way: four of libutp's 1 MiB receive windows (PROTOCOL.md section 5) may arrive while
# Python is busy. Linux cuts it to net.core.rmem_max (208 KiB by default) without complaint.
BUFFER_SIZE = 4 << 20
BUFFER_SIZE_MIN = 128 << 10  # bytes; below it, the system's own default is no worse

SIO_UDP_CONNRESET = 0x9800000C  # Winsock control code (mswsock.h): report ICMP port-unreachable as a failed receive


def configure(sock: socket.socket) -> None:
    """Set what a peer's socket needs, before it is bound. A refused buffer size is no error."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        _enlarge(sock, option)
    if sys.platform == "win32":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # else another program may take our port over
        _ignore_port_unreachable(sock)


def _enlarge(sock: socket.socket, option: int) -> None:
    """Ask for BUFFER_SIZE, then for less and less: macOS refuses what is over its maximum instead of cutting it."""
    size = BUFFER_SIZE
    while size >= BUFFER_SIZE_MIN:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, size)
            return
        size //= 2


def default_uses_reader(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether `loop` can watch a socket by `add_reader`: all but Windows' proactor loops (qasync's there too)."""
    if sys.platform == "win32":
        return isinstance(loop, asyncio.SelectorEventLoop)
    return True


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    def _ignore_port_unreachable(sock: socket.socket) -> None:
        """Switch SIO_UDP_CONNRESET off: a punch to a closed port would leave asyncio's receiver deaf (cpython#91227).

        By ctypes, since `socket.ioctl` takes three other control codes only.
        """
        off = wintypes.BOOL(False)
        returned = wintypes.DWORD(0)
        ctypes.WinDLL("ws2_32").WSAIoctl(
            ctypes.c_void_p(sock.fileno()),
            wintypes.DWORD(SIO_UDP_CONNRESET),
            ctypes.byref(off),
            wintypes.DWORD(ctypes.sizeof(off)),
            None,
            wintypes.DWORD(0),
            ctypes.byref(returned),
            None,
            None,
        )  # a failure leaves the counters to tell: error_received is never fatal here
