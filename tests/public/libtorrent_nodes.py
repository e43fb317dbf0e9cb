"""A private Mainline of libtorrent nodes, as a program: `python -m tests.public.libtorrent_nodes ADDRESS...`.

Each session has a node for each of its addresses; port 6881. It says `ready` once they know each other, and then does
what is asked on its input, one JSON line each: `{"put": [seed, value]}`, `{"get": key}`, `{"peers": hash}`, `{"ring":
hash}`, `{"meet": [host]}` for all sessions; what it finds it prints as JSON lines.
"""

import importlib
import json
import random
import sys
import threading
import time
import warnings
from typing import Any, TypeAlias

Foreign: TypeAlias = Any  # of a library without types

PORT = 6881
SESSIONS = 5


def open_session(lt: Foreign, addresses: list[str], bootstrap: str) -> Foreign:
    return lt.session(
        {
            "listen_interfaces": ",".join(f"{each}:{PORT}" for each in addresses),
            "dht_bootstrap_nodes": f"{bootstrap}:{PORT}",
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_incoming_tcp": False,
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
            "dht_ignore_dark_internet": False,
            "alert_mask": int(lt.alert.category_t.dht_notification)
            | int(lt.alert.category_t.dht_operation_notification),
        }
    )


def say(**fields: Foreign) -> None:
    print(json.dumps(fields), flush=True)  # noqa: T201


def tell(alert: Foreign) -> None:
    name = type(alert).__name__
    if name == "dht_mutable_item_alert":
        value = alert.item
        data = value["value"] if isinstance(value, dict) else value
        say(event="item", key=bytes(alert.key).hex(), seq=alert.seq, value=bytes(data).hex() if data else "")
    elif name == "dht_get_peers_reply_alert":
        say(event="peers", peers=[f"{host}:{port}" for host, port in alert.peers()])
    elif name == "dht_put_alert":
        say(event="put", nodes=alert.num_success)


def act(lt: Foreign, sessions: list[Foreign], line: str) -> None:
    wish, session = json.loads(line), sessions[1]
    for host in wish.get("meet", ()):
        for each in sessions:
            each.add_dht_node((host, PORT))
    if "get" in wish:
        session.dht_get_mutable_item(bytes.fromhex(wish["get"]), b"")
    elif "put" in wish:
        private, public, value = map(bytes.fromhex, wish["put"])
        session.dht_put_mutable_item(private, public, value, b"")
    elif "peers" in wish:
        session.dht_get_peers(lt.sha1_hash(bytes.fromhex(wish["peers"])))
    elif "ring" in wish:
        session.dht_announce(lt.sha1_hash(bytes.fromhex(wish["ring"])), 0, 1)


def known(session: Foreign) -> int:
    """Return how many nodes a session's nodes know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what replaces it arrives as an alert, later
        return int(session.status().dht_nodes)


def main() -> None:
    lt = importlib.import_module("libtorrent")

    addresses = sys.argv[1:]
    sessions = [open_session(lt, addresses[number::SESSIONS], addresses[0]) for number in range(SESSIONS)]
    until = time.monotonic() + 20.0
    while time.monotonic() < until and not all(known(session) >= 8 for session in sessions):
        for each in sessions:
            for address in random.sample(addresses, min(4, len(addresses))):
                each.add_dht_node((address, PORT))
        time.sleep(0.2)
    say(event="ready", nodes=[known(session) for session in sessions])

    def listen() -> None:
        for line in sys.stdin:
            act(lt, sessions, line)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        sessions[1].wait_for_alert(500)
        for session in sessions:
            for alert in session.pop_alerts():
                if session is sessions[1]:
                    tell(alert)


if __name__ == "__main__":
    main()
