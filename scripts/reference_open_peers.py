"""The bounds of open peers, as rows of the table of limits."""

from typing import Final

from core.limits.bounds import Rule, with_site
from core.open_peers import config as open_peers
from core.open_peers import names as open_names

_DESK: Final = open_peers.DeskConfig()
_KIB: Final = 1024

OPEN_PEERS: Final = (
    Rule(
        "strangers that wait for letters at an open peer",
        with_site(_DESK.watchers_host, _DESK.watchers - _DESK.watchers_kept),
        str(_DESK.watchers),
        str(_DESK.watchers_kept), "of the host with most, the first one is forgotten, and says its keys again",
        "tests/open_peers/test_desk.py",
    ),
    Rule(
        "boxes that one of them watches", str(open_peers.KEYS), "", "", "further ones are not watched",
        "tests/open_peers/test_desk.py",
    ),
    Rule(
        "letters that an open peer keeps", with_site(_DESK.items_host, _DESK.items - _DESK.items_kept),
        f"{_DESK.items}, {_DESK.item_age / 60:g} minutes",
        str(_DESK.items_kept), "of the host with most, the oldest is forgotten", "tests/open_peers/test_desk.py",
    ),
    Rule(
        "requests a second to an open peer", f"{_DESK.requests_host:g}, {_DESK.requests_burst:g} at once",
        f"{_DESK.requests_all:g}, {_DESK.requests_all_burst:g} at once", f"{_DESK.reserve:.0%} of all",
        "ERR_OPEN_BUSY", "tests/open_peers/test_desk.py",
    ),
    Rule(
        "bytes a second of an open peer, both ways", f"{_DESK.bytes_host:g}, {_DESK.bytes_burst / _KIB:g} KiB at once",
        f"{_DESK.bytes_all:g}, {_DESK.bytes_all_burst / 1e6:g} MB at once", f"{_DESK.reserve:.0%} of all",
        "ERR_OPEN_BUSY", "tests/open_peers/test_desk.py",
    ),
    Rule(
        "letters a second that are left at an open peer",
        f"{_DESK.items_rate_host:g}, {_DESK.items_burst:g} at once",
        f"{_DESK.items_rate_all:g}, {_DESK.items_all_burst:g} at once", f"{_DESK.reserve:.0%} of all",
        "ERR_OPEN_BUSY", "tests/open_peers/test_desk.py",
    ),
    Rule(
        "names that strangers announce at an open peer",
        with_site(open_names.NAMES_HOST, open_names.NAMES - open_names.NAMES_KEPT),
        f"{open_names.NAMES}, {open_names.AGE / 60:g} minutes", str(open_names.NAMES_KEPT),
        "of the host with most, the oldest is forgotten", "tests/open_peers/test_desk.py",
    ),
    Rule(
        "open peers that are known", "1 of an identity", str(open_peers.KNOWN), "",
        "the farthest from all places that matter is forgotten", "tests/open_peers/test_judge.py",
    ),
    Rule(
        "addresses listed as open peers", f"{open_peers.HEARD_NETWORK} of a network of 16 bits", str(open_peers.HEARD),
        "", "those that most nodes list are kept; the last word of each node counts", "tests/open_peers/test_judge.py",
    ),
    Rule(
        "checks of listed open peers", "", f"{60 * open_peers.CHECKS_RATE:g} a minute, {open_peers.CHECKS_BURST:g} at "
        "once", "", "they wait", "tests/open_peers/test_judge.py",
    ),
    Rule(
        "hosts that are no open peer, and remembered", "", f"{open_peers.LIARS} that lied, {open_peers.SILENT} silent",
        "", "the one noted first is forgotten, and may be checked again", "tests/open_peers/test_judge.py",
    ),
)  # fmt: skip
