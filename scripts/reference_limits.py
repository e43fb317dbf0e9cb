"""The bounds that stand in other rooms than `core.limits.bounds`, as rows of the same table."""

from typing import Final

from core.broker.registry import BrokerConfig
from core.carrying import config as carrying
from core.datagrams.config import DatagramConfig
from core.dht import amplification, strangers, watches
from core.dht.config import DhtConfig
from core.dht.node import HEARD_MOST, HEARD_UNTIL
from core.dht.storage import HOST_PART, KEPT_PART
from core.grape import http, request_parser
from core.grape.config import GrapeConfig
from core.invitations import book as invitations
from core.invitations import tries
from core.kinds import command, drop_box, folder, head_limit, share, turns, uploads, values
from core.lan import kept, places, tags
from core.lan.neighbours import NeighboursConfig
from core.ledger import store
from core.limits import bounds
from core.limits.bounds import RULES, Rule, with_site
from core.mainline.config import DHT, KEPT
from core.mainline.pace import PaceConfig
from core.mainline.thrift import AT_ONCE, DAILY
from core.nat import reflection
from core.net import asked_at, crowd
from core.news import attempts
from core.punch.climb_config import ClimbConfig
from core.reach.outreach import OutreachConfig
from core.reach.probing import ProbingConfig
from core.serving.quota import STRANGER, TRUSTED
from core.signal import exchange, own_letters
from core.streams.config import StreamConfig
from core.trust import book, entries
from core.using import uses, visitors
from core.utp.config import UtpConfig
from core.wire import broker_message, kept_list
from scripts.reference_open_peers import OPEN_PEERS

_BROKER: Final = BrokerConfig()
_CLIMB: Final = ClimbConfig()
_PROBING: Final = ProbingConfig()
_DATAGRAMS: Final = DatagramConfig()
_DHT: Final = DhtConfig()
_GRAPE: Final = GrapeConfig()
_OUT: Final = OutreachConfig()
_LAN = NeighboursConfig()
_PACE: Final = PaceConfig()
_STREAMS: Final = StreamConfig()
_UTP: Final = UtpConfig()
_KIB: Final = 1024

_CALLS: Final = (
    Rule(
        "attempts to connect that are remembered", "", f"{attempts.PUNCHES} by punches, {attempts.STEPS} steps of each",
        f"{attempts.SEARCHES} for a peer by its ID", "the one that began first is forgotten",
        "tests/news/test_paths.py",
    ),
    Rule(
        "requests a second of a stranger's host", f"{STRANGER.requests:g}, {STRANGER.requests_at_once:g} at once", "",
        f"{TRUSTED.requests:g}, {TRUSTED.requests_at_once:,g} at once", "ERR_RATE_LIMITED",
        "tests/serving/test_quota.py",
    ),
    Rule(
        "bytes a second of requests and replies",
        f"{STRANGER.bytes / 1e6:g} MB, {STRANGER.bytes_at_once / 1e6:g} MB at once",
        "", f"{TRUSTED.bytes / 1e6:g} MB, {TRUSTED.bytes_at_once / 1e6:,g} MB at once", "ERR_RATE_LIMITED",
        "tests/serving/test_quota.py",
    ),
    Rule(
        "requests that wait for the owner's answer", with_site(book.MAX_PENDING_PER_HOST, book.MAX_PENDING),
        str(book.MAX_PENDING), "",
        "the oldest of that host, then of the host with most, is forgotten", "tests/trust/test_store.py",
    ),
    Rule(
        "known peers", "", f"{book.MAX_PEERS:,}", "", "no further one is added, and an error says so",
        "tests/trust/test_store.py",
    ),
    Rule(
        "groups of known peers", "", f"{entries.MAX_GROUPS}, each with {entries.MAX_SERVICES} services", "",
        "no further one is added, and an error says so", "tests/trust/test_groups.py",
    ),
    Rule(
        "calls in the record", "", f"{store.MAX_ROWS:,}, {store.MAX_AGE / 86_400:g} days", "",
        "the oldest are deleted", "tests/ledger/test_ledger.py",
    ),
)  # fmt: skip

_PUBLIC_DHT: Final = (
    Rule(
        "packets to one host of the public DHT", f"{_PACE.host:g} a second, {_PACE.host_burst:g} at once",
        f"{_PACE.all:g} a second, {_PACE.all_burst:g} at once", "", "they wait; what nobody waits for waits longer",
        "tests/mainline/test_node.py",
    ),
    Rule(
        "new destinations in the public DHT", "", f"{60 * _PACE.new:g} a minute, {_PACE.new_burst:g} at once", "",
        "they wait", "tests/mainline/test_node.py",
    ),
    Rule(
        "searches of the public DHT", "", str(DHT.max_operations), "", "a further one fails at once, and is wished for "
        "again", "tests/mainline/test_node.py",
    ),
    Rule(
        "nodes of the public DHT on the disk", "1", f"{KEPT}, {kept_list.MAX_BYTES // 1024} KiB", "",
        "no further one is kept; a larger file is not used", "tests/mainline/test_parts.py",
    ),
    Rule(
        "people that letters are written to", "", str(own_letters.CONTACTS), "", "of more, those seen last come first",
        "tests/signal/test_exchange.py",
    ),
    Rule(
        "calls by the public DHT", "", str(exchange.CALLS), "", "the one begun first is given up",
        "tests/signal/test_exchange.py",
    ),
    Rule(
        "new ringers of one look at our door", f"{exchange.PER_NODE} of one node", str(exchange.PER_LOOK), "",
        "no further one is punched back", "tests/signal/test_exchange.py",
    ),
    Rule(
        "bytes of the public DHT while nobody calls", "", f"{(DAILY + AT_ONCE) / 1e6:g} MB a day", "",
        "the questions of others wait first, then what nodes list, then looks at our door",
        "tests/mainline/test_thrift.py",
    ),
)  # fmt: skip

_STREAM_RULES: Final = (
    Rule(
        "byte streams of one connection", str(_STREAMS.streams), "", "", "ERR_STREAM_LIMIT",
        "tests/streams/test_engine.py",
    ),
    Rule(
        "streams of one connection that wait to be accepted", str(_STREAMS.unanswered), "", "", "ERR_STREAM_LIMIT",
        "tests/streams/test_engine.py",
    ),
    Rule(
        "unread bytes of one connection's streams", f"{_STREAMS.unread // (_KIB * _KIB)} MiB", "", "",
        "the connection is not read until a reader takes some", "tests/streams/test_engine.py",
    ),
    Rule(
        "unsent bytes of one connection's streams", f"{_STREAMS.unsent // (_KIB * _KIB)} MiB", "", "",
        f"of each stream {_STREAMS.quantum // _KIB} KiB wait, not {_STREAMS.send_buffer // _KIB}",
        "tests/streams/test_engine.py",
    ),
    Rule(
        "datagrams of one stream that wait", str(_STREAMS.datagrams), "", "", "the oldest is dropped",
        "tests/streams/test_engine.py",
    ),
    Rule(
        "sessions whose datagrams go beside their connection", "as sessions of byte streams", str(_DATAGRAMS.paths), "",
        "the next one's go in the stream", "tests/datagrams/test_path.py",
    ),
    Rule(
        "streams of one session whose datagrams go beside it", str(_DATAGRAMS.flows), "", "",
        "the next one's go in the stream", "tests/datagrams/test_path.py",
    ),
    Rule(
        "datagrams of one session that wait to go beside it",
        f"{_DATAGRAMS.datagrams} and {_DATAGRAMS.datagram_bytes // _KIB} KiB of a stream, "
        f"{_DATAGRAMS.held // (_KIB * _KIB)} MiB of all", "", "", "the oldest of that stream is dropped, and counted",
        "tests/datagrams/test_path.py",
    ),
    Rule(
        "datagrams of one session of which pieces are missing",
        f"{_DATAGRAMS.partial}, {_DATAGRAMS.partial_bytes // _KIB} KiB", "", "", "the oldest is dropped",
        "tests/datagrams/test_assembly.py",
    ),
    Rule(
        "questions to an address that a session's datagrams come from, until it answers",
        "4 of 40 bytes a second, and no more than answers to it", "", "",
        "nothing is sent, and no other address is asked meanwhile", "tests/datagrams/test_path.py",
    ),
    Rule(
        "tries to join by an invitation", f"{tries.PER_HOST[0]:g} a second, {tries.PER_HOST[1]:g} at once",
        f"{tries.IN_ALL[0]:g} a second, {tries.IN_ALL[1]:g} at once", "as many for who names an invitation of ours",
        "ERR_RATE_LIMITED; a try that was right is given back", "tests/invitations/test_book.py",
    ),
    Rule(
        "invitations", "", str(invitations.MAX_INVITATIONS), "",
        "the oldest one that is over is forgotten; if all are open, ERR_INVITATIONS_FULL",
        "tests/invitations/test_book.py",
    ),
    Rule(
        "places where people were met on a network", str(kept.MOST_OF_ONE), f"{kept.MOST_PEOPLE} people", "",
        "the one met longest ago is forgotten", "tests/lan/test_places.py",
    ),
    Rule(
        "instances heard of on a network, and tags of one", f"{tags.MOST_TAGS} tags", str(places.MOST_INSTANCES), "",
        "the oldest is forgotten; people seen longest ago have no tag", "tests/lan/test_places.py",
    ),
    Rule("shares", "", str(share.MAX_SHARES), "", "ERR_SHARE", "tests/peer/test_shares.py"),
    Rule(
        "services of others that are open here", "", str(uses.MAX_USES), "", "ERR_TOO_MANY", "tests/using/test_uses.py",
    ),
    Rule(
        "programs of one share that run", f"{command.AT_ONCE - turns.LEFT}; {command.WAITING} more wait",
        str(command.AT_ONCE), "", "hosts take turns; ERR_RATE_LIMITED", "tests/kinds/test_programs.py",
    ),
    Rule(
        "watchers of one sensor", with_site(values.WATCHERS_HOST, values.WATCHERS), str(values.WATCHERS), "",
        "the oldest of the host that has most; ERR_RATE_LIMITED", "tests/kinds/test_programs.py",
    ),
    Rule(
        "files in a drop box, and bytes on its disk",
        f"as many as are still free; {uploads.SITE_PARTS} x as many of a /48",
        f"{drop_box.FILES_MAX:,}; {drop_box.SPARE // (_KIB * _KIB)} MiB stay free", "", "413, with the reason",
        "tests/kinds/test_hostile_callers.py",
    ),
    Rule(
        "threads that wait for the disk of a share", "", str(folder.THREADS), "",
        f"they wait; 503 after {folder.DISK_PATIENCE:g} s", "tests/kinds/test_hostile_callers.py",
    ),
    Rule(
        "connections to the local pages", "", str(visitors.CONNECTIONS), "",
        "who never asked makes room, then who asks nothing now", "tests/using/test_visitors.py",
    ),
    Rule(
        "a request's header", f"{request_parser.HEAD_MAX // _KIB} KiB; {head_limit.HEAD_MAX // _KIB} KiB of a page, "
        f"{head_limit.AT_ONCE_MAX // _KIB} with a body for {head_limit.BEGUN_WITHIN:g} s", "",
        "", "the connection is closed", "tests/grape/test_request_parser.py",
    ),
)  # fmt: skip

_PACKETS: Final = (
    Rule(
        "uTP connections", with_site(_UTP.connections_per_host, _UTP.connections - _UTP.connections_kept),
        str(_UTP.connections), str(_UTP.connections_kept),
        "one that never delivered a byte makes room; else the SYN is dropped", "tests/utp/test_bounds.py",
    ),
    Rule(
        "half-open uTP connections", "", str(_UTP.half_open), "", "SYNs are answered by cookies and not kept",
        "tests/utp/test_syn_cookies.py",
    ),
    Rule(
        "unread bytes of a uTP connection", f"{_UTP.receive_window // _KIB} KiB", "", "", "the window closes",
        "tests/utp/test_zero_window.py",
    ),
    Rule(
        "datagrams that were read and wait for their turn", "as much as is still free",
        f"{crowd.OTHER_BYTES >> 20} MiB", f"{crowd.FIRST_BYTES >> 20} MiB more",
        "the newest is dropped; hosts take turns, connections of known peers go first", "tests/net/test_crowd.py",
    ),
    Rule(
        "senders who are answered from the address that they asked", "", f"{asked_at.SOURCES}", "",
        "the one who came first is forgotten: the system chooses the address", "tests/net/test_asked_at.py",
    ),
    Rule(
        "packets to an address that has not answered", f"{_OUT.row:g} at once, then {_OUT.row_rate:g} a second",
        f"{_OUT.new_burst:g} new addresses at once, then {_OUT.new_rate:g} a second", "", "nothing is sent",
        "tests/rendezvous/test_third_parties.py",
    ),
    Rule(
        "answers to an address that has not proved itself, of all kinds",
        f"{_OUT.row:g} at once, then {_OUT.row_rate:g} a second; of a /24 or /48 {_OUT.around:g}, then "
        f"{_OUT.around_rate:g}",
        f"{_OUT.answers:g} at once, then {_OUT.answers_rate:g} a second", "", "nothing is sent",
        "tests/rendezvous/test_forged_answers.py",
    ),
    Rule(
        "probes of ports that nobody named", f"{_CLIMB.probes:,} in a round, at a host that has proved itself",
        f"{_PROBING.rate:g} a second, one pair at a time, {_PROBING.apart:g} s apart", "", "they wait",
        "tests/punch/test_climb.py",
    ),
    Rule(
        "answers to \"where do you see me?\", a second", f"{reflection.ANSWERS_EACH:g}", f"{reflection.ANSWERS_ALL:g}",
        "", "no answer", "tests/nat/test_reflection.py",
    ),
    Rule(
        "texts that a peer leaves at a broker", str(broker_message.MAIL_MAX), "", "", "the rest is left out",
        "tests/broker/test_mail.py",
    ),
    Rule(
        "bytes to an address that has not answered", f"{_OUT.heard:g} x what came from there", "", "",
        "nothing is sent", "tests/reach/test_outreach.py",
    ),
    Rule(
        "silent addresses that are tried", str(_OUT.silent), "", "",
        f"they wait; after {_OUT.probes} probes an address is left alone for {_OUT.failed_for:g} s",
        "tests/reach/test_outreach.py",
    ),
    Rule(
        "DHT packets to a node that has never answered",
        f"{strangers.HOST_BURST} at once, then {strangers.HOST_RATE:g} a second",
        f"{strangers.NEW_BURST} new nodes at once, then {strangers.NEW_RATE:g} a second", "", "nothing is sent",
        "tests/dht/test_third_parties.py",
    ),
    Rule(
        "grapes that are asked because this network names them", f"{_LAN.per_host}", f"{_LAN.rows}", "",
        "one that never answered makes room, else the new one is left alone; each is asked with one packet, every "
        f"{_LAN.most:g} s in the end", "tests/lan/test_neighbours.py",
    ),
    Rule(
        "nodes of one network that a node of the other one names and that are asked", f"{HEARD_MOST} of one answer",
        f"while fewer than {HEARD_UNTIL} are known", "", "they are not asked", "tests/dht/test_dual.py",
    ),
    Rule(
        "DHT bytes at another node's word", f"{strangers.FACTOR} x what that node sent", "", "", "nothing is sent",
        "tests/dht/test_amplification.py",
    ),
)  # fmt: skip


def _of_store(places: int) -> str:
    return with_site(-(-places // HOST_PART), places - places // KEPT_PART)


_DIRECTORY: Final = (
    Rule(
        "names with peers in a grape", "", f"{_DHT.max_tables:,}", "", "the host with most peers loses its oldest",
        "tests/dht/test_storage.py",
    ),
    Rule(
        "peers in a grape", _of_store(_DHT.max_peers),
        f"{_DHT.max_peers:,}; {_DHT.max_peers_per_table:,} of one name", "",
        "the host with most loses its oldest", "tests/dht/test_storage.py",
    ),
    Rule(
        "values in a grape", _of_store(_DHT.max_values), f"{_DHT.max_values:,}", "",
        "the host with most loses its oldest", "tests/dht/test_storage.py",
    ),
    Rule(
        "those who wait for news of a key at a grape",
        with_site(watches.MAX_WATCHERS_PER_HOST, watches.MAX_WATCHERS)
        + f"; {watches.MAX_WATCHERS_OF_BOTH} of one key",
        f"{watches.MAX_WATCHERS:,}, {watches.MAX_WATCHERS_PER_KEY} of one key, {watches.LEASE} s", "",
        "of a key, the host that has two more makes room, else there is no lease, and it asks as before; in all, of "
        "the host with most, the one renewed longest ago is forgotten",
        "tests/dht/test_watches.py",
    ),
    Rule(
        "addresses that a grape knows to receive what it sends",
        with_site(amplification.PROVEN_PER_HOST, amplification.PROVEN_MAX), f"{amplification.PROVEN_MAX:,}", "",
        "of the host with most, the one that proved itself longest ago is forgotten, and gets short answers",
        "tests/dht/test_amplification.py",
    ),
    Rule(
        "nodes in the routing table, of one public address", str(_DHT.max_public_nodes_per_host), "", "",
        "the newcomer is left out", "tests/dht/test_routing.py",
    ),
    Rule(
        "new TCP connections that are to carry datagrams, a second",
        f"{carrying.NEW_HOST:g}, {carrying.NEW_HOST_AT_ONCE:g} at once",
        f"{carrying.NEW:g}, {carrying.NEW_AT_ONCE:g} at once", "not counted in all where a friend was",
        "turned away, before a TLS handshake", "tests/carrying/test_listener.py",
    ),
    Rule(
        "TLS handshakes of TCP connections that are to carry datagrams",
        with_site(bounds.CARRIERS_HOST, carrying.SHAKING), str(carrying.SHAKING), "",
        "the host with most loses its oldest; each ends after 10 s", "tests/carrying/test_listener.py",
    ),
    Rule(
        "HTTP connections of a grape", "", str(_GRAPE.max_connections), "", "the host with most loses its oldest",
        "tests/grape/test_http.py",
    ),
    Rule(
        "bytes sent ahead to a grape over HTTP", f"{http.HELD_HOST / 1e6:g} MB", f"{http.HELD / 1e6:g} MB", "",
        "the connection is closed", "tests/grape/test_request_parser.py",
    ),
    Rule(
        "operations of a grape over HTTP", "half of all, for another host", str(_GRAPE.max_operations), "",
        "ERR_GRAPE_BUSY", "tests/grape/test_api.py",
    ),
    Rule(
        "entries of a broker", with_site(_BROKER.entries_each, _BROKER.entries), str(_BROKER.entries), "",
        "ERR_BROKER_FULL, or the host with most loses its oldest", "tests/broker/test_registry.py",
    ),
    Rule(
        "registrations a second at a broker", f"{_BROKER.rate_each:g}", "", "", "ERR_BROKER_RATE",
        "tests/broker/test_registry.py",
    ),
)  # fmt: skip

ALL_RULES: Final = (*RULES, *_CALLS, *_STREAM_RULES, *_PACKETS, *_DIRECTORY, *_PUBLIC_DHT, *OPEN_PEERS)
