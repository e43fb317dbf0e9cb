"""Which may import which, one direction:

    desktop, core.cli -> core.peer -> core.compose -> what a peer is -> what a peer can do -> core.net -> engines
    -> core.wire -> values

Every package of core is a room of the table below; a new one without a place is a failure, not a guess.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.imports import Import, imports, is_under, module_name
from tests.support.tools import ROOT

# Values and bounds that everybody may know.
BASE = {
    "core.values",
    "core.errors",
    "core.frozen",
    "core.peer_id",
    "core.scope",
    "core.limits",
}
TRUST_VALUES = {"core.trust.audience", "core.trust.entries"}

# room -> what it may import, besides itself and BASE; docs/architecture.md shows the same table
ROOMS: dict[str, set[str]] = {
    # what everybody stands on
    "core.aio": set(),
    "core.files": set(),
    "core.wire": set(),
    "core.wakes": {"core.aio"},
    # engines
    "core.utp": {"core.wire"},
    "core.dht": {"core.wire"},
    "core.mainline": {"core.wire", "core.dht", "core.signal"},
    "core.signal": {"core.wire"},
    "core.open_peers": {"core.wire", "core.dht"},
    "core.nat": {"core.wire"},
    "core.punch": {"core.wire", "core.nat"},
    "core.streams": {"core.wire"},
    "core.datagrams": {"core.wire"},
    "core.relay": {"core.wire", "core.datagrams.replay"},
    # the one layer that owns sockets and timers
    "core.net": {"core.wire", "core.utp", "core.dht", "core.nat", "core.punch", "core.datagrams", "core.aio"},
    # what a peer can do
    "core.services": set(),
    "core.reach": set(),
    "core.identity": {"core.aio", "core.files", "core.wire"},
    "core.trust": {"core.files", "core.wire"},
    "core.ledger": {"core.files"},
    "core.rpc": {"core.aio", "core.wire", "core.services.service"},  # what is served, not the services
    "core.tunnel": {"core.aio", "core.wire", "core.streams", "core.rpc.stream"},
    "core.secure": {"core.aio", "core.wire", "core.net", "core.identity", "core.rpc.stream"},
    "core.grape": {"core.aio", "core.wire", "core.dht", "core.net"},
    "core.broker": {"core.aio", "core.wire"},
    "core.grenache": {
        "core.aio", "core.wire", "core.rpc", "core.services", "core.tunnel", "core.grape.forgeries",
        "core.grape.parser_source",
        "core.grape.request_parser",
    },
    "core.carrying": {"core.aio", "core.wire", "core.net", "core.grenache"},
    "core.kinds": {
        "core.aio", "core.files", "core.wire", "core.tunnel", "core.services",
        "core.trust.audience", "core.rpc.fair_places", "core.grenache",
    },
    "core.lan": {"core.aio", "core.files", "core.reach"},
    "core.mapping": {"core.aio", "core.wire"},
    "core.using": {"core.aio", "core.wire", "core.tunnel", "core.kinds", "core.news"},
    # what a peer is
    "core.news": {*TRUST_VALUES, "core.services.names", "core.nat.report", "core.mapping.status"},
    "core.profile": {
        "core.files", "core.identity", "core.kinds.share", "core.grenache.config", "core.carrying.config",
        *TRUST_VALUES,
    },
    "core.directory": {"core.aio", "core.wire", "core.dht", "core.grape", "core.news", "core.profile"},
    "core.own": {
        "core.aio", "core.wire", "core.grape", "core.identity", "core.secure", "core.services", "core.news",
        "core.profile", "core.directory", "core.lan", "core.mapping", "core.reach.gate",
    },
    "core.public": {
        "core.aio", "core.files", "core.wire", "core.dht", "core.signal", "core.mainline", "core.open_peers",
        "core.net", "core.news", "core.profile",
    },
    "core.serving": {
        "core.aio", "core.wire", "core.rpc.memory", "core.tunnel", "core.services", "core.kinds", "core.trust",
        "core.ledger", "core.news",
    },
    "core.invitations": {
        "core.aio", "core.files", "core.wire", "core.tunnel", "core.trust", "core.news", "core.serving.admission",
    },
    "core.relaying": {
        "core.aio", "core.wire", "core.net", "core.relay", "core.carrying", "core.identity", "core.tunnel", "core.news",
    },
    "core.calling": {
        "core.aio", "core.wire", "core.net", "core.rpc", "core.secure", "core.services", "core.trust", "core.reach",
        "core.grenache",
        "core.news", "core.directory", "core.serving",
    },
    "core.rendezvous": {
        "core.aio", "core.wire", "core.nat", "core.punch", "core.net", "core.broker", "core.services", "core.reach",
        "core.news", "core.directory", "core.serving", "core.calling", "core.grenache",
        "core.trust.audience",
    },
}  # fmt: skip
FACADE = {*ROOMS}

# package or module -> the parts of core that it may import, besides itself
MAY_IMPORT: dict[str, set[str]] = {
    "core.values": {"core.frozen", "core.peer_id"},
    "core.compiled": set(),
    "core.errors": set(),
    "core.frozen": set(),
    "core.peer_id": {"core.frozen"},
    "core.scope": {"core.values"},
    "core.limits": {"core.scope"},
    **{room: known | BASE for room, known in ROOMS.items()},
    "core.wiring": FACADE | BASE,
    "core.wiring_relays": FACADE | BASE | {"core.wiring"},
    "core.compose": FACADE | BASE | {"core.wiring", "core.wiring_relays"},
    "core.peer": FACADE | BASE | {"core.compose"},
    "core.cli": FACADE | BASE | {"core.peer", "core.compiled"},
}

# An engine has no clock, no sockets, no tasks, and no randomness but the one handed in.
IMPURE = {
    "asyncio", "concurrent", "datetime", "multiprocessing", "queue", "random", "secrets", "select", "selectors",
    "signal", "socket", "ssl", "subprocess", "threading", "time", "uuid", "aiohttp",
}  # fmt: skip
PURE = {
    "core.utp",
    "core.dht",
    "core.mainline",
    "core.signal",
    "core.open_peers",
    "core.nat",
    "core.punch",
    "core.streams",
    "core.datagrams",
    "core.wire",
    *BASE,
    "core.reach",
    "core.news.events",
    "core.news.seen",
    "core.wakes.detector",
}

# (module, imported): the exceptions, each for a reason
EXCEPTIONS = {
    ("core.wire.compact", "socket"),  # inet_pton and inet_ntoa: text to bytes, no I/O
    *((engine, "random.Random") for engine in PURE),  # the type of what is handed in
}
# `grapevine` without arguments opens the window, and `grapevine join` reads a picture as the window does: the two ways
# from core to the desktop, and only when asked for.
TO_THE_DESKTOP = {
    "core.cli.commands": {"desktop.display", "desktop.__main__"},
    "core.cli.pictures": {"desktop.pictures"},
}

GUI = {"PySide6", "qasync", "shiboken6", "desktop"}
# The desktop reads values, events and settings everywhere, and its tasks have owners; what runs a peer, and the
# services it runs, only these modules know.
DESKTOP_MAY_IMPORT = {
    *BASE, "core.news.events", "core.profile.settings", "core.profile.logs", "core.aio.tasks",
    "core.trust.audience", "core.trust.entries", "core.trust.groups",
    "core.news.joins", "core.news.moves", "core.news.public", "core.news.relays", "core.news.seen", "core.news.web",
    "core.news.invitations",
    "core.invitations.link", "core.files.private", "core.calling.target", "core.peer_id", "core.ledger.record",
    "core.profile.integration",
    "core.kinds.share", "core.kinds.listening", "core.using.offers", "core.profile.shares",
    "core.profile.merge",
}  # fmt: skip
DESKTOP_COMPOSITION = {"desktop.identity_acts", "desktop.app", "desktop.bridge", "desktop.keeper", "desktop.__main__"}


def place(module: str) -> str | None:
    """Return the entry of the table that covers a module of core: the longest that contains it."""
    return max((entry for entry in MAY_IMPORT if is_under(module, entry)), key=len, default=None)


def faults(module: str, source: str) -> Iterator[str]:
    """Say everything that is wrong with the imports of one file."""
    for found in imports(source):
        problem = _core_problem(module, found) if is_under(module, "core") else _desktop_problem(module, found)
        if found.relative:
            problem = "a relative import"
        if problem is not None:
            yield f"{module}, line {found.line}: {found.target}: {problem}"


def _excepted(module: str, target: str) -> bool:
    return any(is_under(module, where) and is_under(target, what) for where, what in EXCEPTIONS)


def _core_problem(module: str, found: Import) -> str | None:
    top = found.module.partition(".")[0]
    if top in GUI:
        is_the_way = found.module in TO_THE_DESKTOP.get(module, ()) and found.lazy
        return None if is_the_way else "core knows no window"
    if any(is_under(module, pure) for pure in PURE) and top in IMPURE and not _excepted(module, found.target):
        return "an engine has no I/O, clock, or randomness of its own"
    if top != "core":
        return None
    entry = place(module)
    if entry is None:
        return None if module == "core" else "this module has no place in tests/test_layers.py"
    allowed = {entry, *MAY_IMPORT[entry]}
    return None if any(is_under(found.target, a) for a in allowed) else f"{entry} must not know it"


def _desktop_problem(module: str, found: Import) -> str | None:
    composes = any(is_under(module, part) for part in DESKTOP_COMPOSITION)
    if not is_under(found.module, "core") or composes:
        return None
    if any(is_under(found.target, a) for a in DESKTOP_MAY_IMPORT):
        return None
    return f"only {', '.join(sorted(DESKTOP_COMPOSITION))} may know it"


SOURCES = [path for package in ("core", "desktop") for path in sorted((ROOT / package).rglob("*.py"))]


FOLDERS = sorted({path.parent for path in SOURCES})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_imports_go_one_way(folder: Path) -> None:
    paths = [path for path in SOURCES if path.parent == folder]
    assert [fault for path in paths for fault in faults(module_name(path), path.read_text())] == []


def test_every_module_of_core_has_a_place() -> None:
    modules = [module_name(path) for path in SOURCES]
    homeless = [each for each in modules if is_under(each, "core") and each != "core" and place(each) is None]
    assert homeless == [], "give it a place in the table of tests/test_layers.py"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.utp.mux", "import time"),
        ("core.utp.mux", "from random import random"),
        ("core.utp.mux", "import random"),
        ("core.utp.mux", "def f() -> None:\n    import asyncio.events"),
        ("core.utp.mux", "from core.dht.node import Node"),
        ("core.utp.mux", "from core import net"),
        ("core.punch.puncher", "if TYPE_CHECKING:\n    from core.utp.mux import Mux"),
        ("core.wire.krpc", "import socket"),
        ("core.wire.krpc", "from core.dht import Node"),
        ("core.net.endpoint", "from core.rpc.client import RpcClient"),
        ("core.rpc.client", "from core.directory.link import Link"),
        ("core.rpc.server", "from core.services.fibonacci import FibonacciService"),
        ("core.news.roster", "from core.peer import Peer"),
        ("core.peer", "import core.cli"),
        ("core.peer", "from PySide6.QtCore import QObject"),
        ("core.net.pump", "import qasync"),
        ("core.cli.commands", "from desktop.__main__ import main"),
        ("core.cli.jobs", "def f() -> None:\n    import desktop.__main__"),
        ("core.cli.commands", "def f() -> None:\n    import desktop.views"),
        ("core.cli.pictures", "from desktop.pictures import text_in"),
        ("core.cli.pictures", "def f() -> None:\n    from PySide6.QtGui import QImage"),
        ("core.utp.mux", "from . import rtt"),
        ("desktop.views.main_window", "from core.peer import Peer"),
        ("desktop.models.peers", "import core.net.endpoint"),
    ],
)
def test_a_planted_fault_is_found(module: str, source: str) -> None:
    assert len(list(faults(module, source))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.utp.mux", "from random import Random\nfrom core.utp.rtt import Rtt\nfrom core.wire.utp_packet import x"),
        ("core.wire.compact", "import socket"),
        ("core.net.pump", "import asyncio, socket, time\nfrom core.utp import Mux"),
        ("core.cli.commands", "def f() -> None:\n    from desktop.__main__ import main"),
        ("core.cli.pictures", "def f() -> None:\n    from desktop.pictures import text_of_data"),
        ("desktop.bridge", "from core.peer import Peer"),
        ("desktop.views.main_window", "from core.news.events import PeerRow\nfrom core.values import Address"),
    ],
)
def test_what_is_allowed_is_not_a_fault(module: str, source: str) -> None:
    assert list(faults(module, source)) == []
