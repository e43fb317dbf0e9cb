"""A process that has loaded our command line once, and forks for each one that a test starts (Linux).

`python -m tests.support.fork_server FD`: FD is a SOCK_SEQPACKET socket. A message on it is the JSON of an `Order`, with
four descriptors: standard input, output and error, and a socket that is told the process id once the program runs, and
its exit code, as `subprocess.Popen.returncode` has it, once it has ended. The end of the socket ends the server.

The program that is forked ends as every Python program does, by the end of its main module. One thing is left out:
modules are not taken apart. That would take three times as long as a short command, since it copies all pages that are
shared with the server. Threads are waited for, `atexit` is served, and garbage is collected.
`tests.support.forks` asks.
"""

import atexit
import contextlib
import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TypedDict

# all that a command loads, but the keyrings: those look at the environment
import core.cli.doctor
import core.cli.jobs
import core.cli.share_jobs
import core.cli.status
import core.cli.tool_jobs
import core.cli.use_jobs
import core.cli.web_jobs
import core.grape.http  # noqa: F401
from core.cli.commands import grapevine

COMMANDS = dict(grapevine.commands)  # loads each
MOST = 150_000  # bytes of an order; a Unix socket takes 200 kB at once
_CLONE_NEWNET = 0x40000000  # linux/sched.h; os.setns needs Python 3.12
_libc = ctypes.CDLL(None, use_errno=True)


class Order(TypedDict):
    """What to start: the arguments after `-m core.cli`, and a network namespace's name or ""."""

    arguments: list[str]
    cwd: str
    env: dict[str, str]
    namespace: str


def serve(orders: socket.socket) -> Order | None:
    """Fork for each order. Returns it in the new process; None in the server, at the end."""
    ended, signalled = socket.socketpair()
    signalled.setblocking(False)
    signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest, which then ends us
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([orders, ended], [], [])
        if ended in ready:
            ended.recv(4096)
            _tell_the_end(running)
        if orders not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(orders, MOST, 4)
        if not message:
            return None
        status = socket.socket(fileno=descriptors.pop())
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for each in (orders, ended, signalled, *running.values()):
                each.close()
            order: Order = json.loads(message)
            _become(order, descriptors)
            status.send(f"{os.getpid()}\n".encode())
            status.close()
            return order
        running[pid] = status
        for number in descriptors:
            os.close(number)


def _tell_the_end(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as told, contextlib.suppress(OSError):  # its test has gone
            told.send(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(order: Order, descriptors: list[int]) -> None:
    """Be as a process that was just started: streams, signals, place, environment."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, standard in zip(descriptors, range(3), strict=True):
        os.dup2(number, standard)
        os.close(number)
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    os.chdir(order["cwd"])
    if order["namespace"]:
        with Path("/run/netns", order["namespace"]).open() as there:
            if _libc.setns(there.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"namespace {order['namespace']}")


def _run() -> None:
    """Be `python -m core.cli`."""
    codes: list[int] = []
    atexit.register(_end_soon, codes)  # the first that is registered is called last
    try:
        runpy.run_module("core.cli", run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            codes.append(stop.code or 0)
        raise
    codes.append(0)


def _end_soon(codes: list[int]) -> None:
    """End with this code. Do nothing, so that Python ends by itself, without a code or when a flush fails."""
    gc.collect()
    with contextlib.suppress(OSError, ValueError):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
        if codes:
            os._exit(codes[0] & 0xFF)


if __name__ == "__main__":
    gc.collect()
    gc.freeze()  # what is loaded stays, and need not be copied because the collector marks it
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        sys.argv = ["grapevine", *asked["arguments"]]
        del asked
        _run()
