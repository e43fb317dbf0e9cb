"""What `grapevine share` does, as a coroutine over the peer facade: share, say how that went, and go on."""

import asyncio
import shlex
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from core.aio.allocator import settle
from core.aio.tasks import TaskSet
from core.cli.jobs import tell_state
from core.cli.output import Output
from core.cli.path_lines import tell_paths
from core.cli.peers import find
from core.cli.tidying import tidy
from core.cli.wanted import Wanted
from core.errors import LocalError, PeerError
from core.files.shown import plain
from core.frozen import frozen
from core.grenache.config import WebConfig
from core.kinds.certificate import settled
from core.kinds.preview import look_at
from core.kinds.share import BAD, UTP_ONLY, Share
from core.kinds.table import KINDS
from core.peer import Peer, open_peer
from core.peer_id import PeerId
from core.profile.config import PeerConfig
from core.profile.settings import SettingsStore
from core.profile.shares import kept_shares, kept_uses, with_share, words_of
from core.profile.web import with_web
from core.services.fibonacci import FibonacciService
from core.trust.audience import Audience, audience_of
from core.trust.entries import EVERY, KnownPeer
from core.trust.groups import MARK
from core.values import JsonValue

OWN: Final = frozenset({FibonacciService.name})  # the services that come with the program
LOOK_EVERY: Final = 3.0  # seconds between looks at the settings, and at what does not answer yet
_VERBS: Final = {"http": "open", "tcp": "open", "udp": "open", "json": "request", "values": "watch"}


@frozen
class Order:
    """A command line. `everything`: all that the profile keeps. `friends` are trusted with what is shared.

    `accept`: the certificates that https:// pages have now. `web`: which is kept for all shares of the profile.
    """

    wanted: Wanted
    profile: str
    everything: bool = False
    audience: Audience | None = None
    friends: tuple[str, ...] = ()
    over: tuple[str, ...] | None = None  # transports; None: uTP, or as a permanent share says
    accept: bool = False
    web: WebConfig | None = None  # where it is opened over HTTP and WebSocket, to be kept; None: as it is kept


async def keep(config: PeerConfig, output: Output, order: Order) -> None:
    """Keep the shares, and look at each, without sharing them here. Raises LocalError for what cannot be shared."""
    store = SettingsStore(order.profile)
    by_name = {each.name: each for each in kept_shares(store.load()).shares}
    _keep_place(store, order)
    for each in await _wanted(config, output, order, by_name):
        look = await look_at(each)
        if not look.possible:
            raise LocalError(f"{each.name}: {look.sentence.rstrip('.')}", name=BAD)
        store.change(lambda settings, each=each: with_share(settings, each))  # type: ignore[misc]
        lines = [f"{each.name} is kept: 'grapevine share --all' shares it ({each.audience.sentence})", look.sentence]
        lines += [f"Warning: {warning}" for warning in look.warnings]
        output.result(
            "share-kept", "\n  ".join(map(plain, lines)), name=each.name, kind=each.kind,
            audience=each.audience.value, ok=look.ok, check=look.sentence, warnings=list[JsonValue](look.warnings),
        )  # fmt: skip


async def share(config: PeerConfig, output: Output, order: Order) -> None:
    """Share until cancelled. Raises PeerError for what cannot be shared; what is kept is tried again and again."""
    store = SettingsStore(order.profile)
    _keep_place(store, order)
    settings = store.load()
    kept = kept_shares(settings)
    for problem in kept.problems if order.everything else ():
        output.notice(problem)
    by_name = {each.name: each for each in kept.shares}
    shares = await _wanted(config, output, order, by_name)
    own = [*order.wanted.own(), *(settings.sharing if order.everything else ())]
    if not (shares or own or (order.everything and (kept.shares or kept.problems or settings.uses))):
        raise LocalError("this profile keeps no share: share something with --permanent first", name=BAD)
    async with open_peer(config, output.event) as peer, aclosing(TaskSet("sharing")) as tasks:
        trusted = await _trust(peer, order.friends, [*own, *(each.name for each in shares)])
        for each in shares:
            await peer.add_share(each)
            named = each.name in by_name and each.name in order.wanted.targets  # this run may differ, which is not kept
            if each.permanent and (not named or order.accept):
                store.change(lambda settings, each=each: with_share(settings, each))  # type: ignore[misc]
        for name in own:
            if order.audience is not None:
                peer.set_audience(name, order.audience)
            await peer.share(name, order.over or UTP_ONLY)
        if order.everything:
            await peer.restore_shares(each for each in kept.shares if each not in shares)
        told = _Teller(peer, output, trusted)
        await told.tell(each.name for each in peer.shares())
        await told.tell_web()
        if order.everything:
            tasks.spawn(_follow(peer, output, store), name="follow the settings")
            _open_uses(peer, output, store, tasks)
        tasks.spawn(tell_paths(peer, output), name="tell the ways to others")
        tasks.spawn(told.look_again(), name="look at what does not answer yet")
        tasks.spawn(tidy(peer.traffic), name="give memory back")
        settle()
        await tell_state(peer, output)


def _keep_place(store: SettingsStore, order: Order) -> None:
    web = order.web
    if web is not None:
        store.change(lambda settings: with_web(settings, web))


async def _wanted(config: PeerConfig, output: Output, order: Order, by_name: Mapping[str, Share]) -> list[Share]:
    """Return what the command line names: new shares, and kept ones, which are switched on."""
    made = [_with_audience(each, config, order) for each in order.wanted.shares(by_name.__contains__)]
    for each in made:
        _check_name_is_free(each, by_name)
    kept_here = [by_name[name] for name in order.wanted.targets if name in by_name and name not in OWN]
    made += [replace(each, on=True, transports=order.over or each.transports) for each in kept_here]
    return [await _with_certificate(each, output) for each in made] if order.accept else made


def _check_name_is_free(share: Share, by_name: Mapping[str, Share]) -> None:
    """Raise LocalError for a share to be kept whose name the profile keeps for something else."""
    kept = by_name.get(share.name)
    if share.permanent and kept is not None and (kept.kind, kept.options) != (share.kind, share.options):
        raise LocalError(
            f"this profile keeps another share with the name {share.name!r} ({words_of(kept)}): choose a name with "
            f"--name, or forget the other one with: grapevine shares remove {shlex.quote(share.name)}",
            name=BAD,
        )


async def _with_certificate(share: Share, output: Output) -> Share:
    """Return a share that accepts the certificate that its https:// page has now. Raises LocalError without one."""
    found = await settled(replace(share, options={**share.options, "certificate": True}))
    output.notice(f"{plain(share.name)}: the certificate {found.options['certificate']} is accepted, and no other one.")
    return found


def _with_audience(share: Share, config: PeerConfig, order: Order) -> Share:
    """Return a new share, for the audience on the command line, else for the one that the settings have by its name."""
    audience = order.audience or audience_of(share.name, config.audiences)
    return replace(share, audience=audience, transports=order.over or share.transports)


async def _trust(peer: Peer, friends: Iterable[str], services: list[str]) -> list[PeerId]:
    """Trust these peers and @groups with these services too. Raises LocalError for one that nobody knows."""
    trusted = []
    for text in friends:
        if text.startswith(MARK):
            await peer.groups.open_to(text, services)
            continue
        known = peer.known_peers()
        place = find(text, known)
        has = next((each.services for each in known if each.peer_id == place.peer_id), frozenset[str]())
        if has != EVERY:
            await peer.trust(place.peer_id, "", has | set(services))
        trusted.append(place.peer_id)
    return trusted


class _Teller:
    """Says of each share whether it is there, what to know before others use it, and how they do."""

    def __init__(self, peer: Peer, output: Output, trusted: list[PeerId]) -> None:
        self._peer = peer
        self._output = output
        self._trusted = trusted
        self._silent: set[str] = set()  # what did not answer when we looked last

    async def tell(self, names: Iterable[str]) -> None:
        """Tell of these shares. Raises LocalError when this peer has no identity: then nobody could use them."""
        names = list(names)
        if not names:
            return
        own = await self._peer.peer_id()
        if own is None:
            raise LocalError("this peer has no identity, so nobody can use what it shares: 'grapevine id' says why")
        for name in names:
            await self._tell(name, own)
        listed = any(row.audience in {Audience.IDENTIFIED, Audience.ANYONE} for row in self._peer.snapshot().shares)
        if not listed and not any(not peer.blocked for peer in self._peer.known_peers()):
            self._output.notice(
                "You trust nobody yet, so nobody may use this: 'grapevine invite NAME SHARE' makes a link for a friend."
            )

    async def tell_web(self) -> None:
        """Tell what is open over HTTP and WebSocket. Raises LocalError when a port cannot be opened."""
        await self._peer.web.settled()
        for row in self._peer.web.rows():
            reach = (
                "only programs on this machine reach it" if row.address.host.startswith("127.") else "others reach it"
            )
            audience = row.audience
            lines = [
                f"{row.service} is open over {', '.join(row.transports)} at {row.place}: {audience.sentence}; {reach}"
            ]
            if audience is not Audience.ANYONE and not row.tls:
                lines.append(
                    "Nobody may call it there: without TLS a caller has no ID. Use --tls-cert, or --audience anyone."
                )
            self._output.news(
                "web-open", plain("\n  ".join(lines)), service=row.service, transports=list[JsonValue](row.transports),
                address=row.place, tls=row.tls, audience=audience.value,
            )  # fmt: skip

    async def _tell(self, name: str, own: PeerId) -> None:
        row = next(row for row in self._peer.snapshot().shares if row.name == name)
        share = next(share for share in self._peer.shares() if share.name == name)
        check = await self._peer.check_share(name)
        ok, sentence = check.ok and not row.problem, row.problem or check.sentence
        if share.on and not ok:
            self._silent.add(name)
        warnings = self._peer.share_warnings(name)
        command = command_for(own, share)
        lines = [f"sharing {name}: {row.description or share.kind} ({share.audience.sentence})"]
        if not row.on:
            lines = [f"not sharing {name}: {'it is off' if not share.on else 'it is tried again'}"]
        groups = [
            each for each in self._peer.groups.shown() if share.audience is Audience.TRUSTED and name in each.services
        ]
        lines += [f"Open to the group {each.name}: {_who(self._peer.groups.members(each.name))}" for each in groups]
        lines += [sentence, *(f"Warning: {warning}" for warning in warnings), f"On the other side: {command}"]
        self._output.news(
            "shared", "\n  ".join(map(plain, lines)), name=name, kind=share.kind, audience=share.audience.value,
            groups=list[JsonValue](each.name for each in groups), permanent=share.permanent, on=row.on, ok=ok,
            check=sentence, warnings=list[JsonValue](warnings), peer_id=str(own), command=command,
        )  # fmt: skip

    async def look_again(self) -> None:
        """Say when what did not answer does, and start what could not be started, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for name in list(self._silent):
                try:
                    if next(row.problem for row in self._peer.snapshot().shares if row.name == name):
                        await self._peer.switch_share(name, True)
                    check = await self._peer.check_share(name)
                except (PeerError, StopIteration):
                    continue
                if check.ok:
                    self._silent.discard(name)
                    self._output.news(
                        "share-ready", plain(f"{name}: {check.sentence}"), name=name, check=check.sentence
                    )


def _who(members: Iterable[KnownPeer]) -> str:
    return ", ".join(each.name or each.peer_id.short for each in members) or "nobody is in it yet"


def command_for(own: PeerId, share: Share) -> str:
    """Return what to type on the other side."""
    verb = _VERBS[KINDS[share.kind].used_as]
    example = " '{}'" if verb == "request" else ""
    place = f"{own}/{share.name}"
    quoted = place if all(each.isalnum() or each in "-_./" for each in share.name) else f"'{place}'"
    return f"grapevine {verb} {quoted}{example}"


async def _follow(peer: Peer, output: Output, store: SettingsStore) -> None:
    """Do what `grapevine shares` changes in the settings, until cancelled."""
    stamp = _stamp(store)
    while True:
        await asyncio.sleep(LOOK_EVERY)
        if _stamp(store) == stamp:
            continue
        stamp = _stamp(store)
        settings = store.load()
        if store.problem is not None:
            output.notice(store.problem)
            continue  # what is shared stays as it is
        wanted = {share.name: share for share in kept_shares(settings).shares}
        for share in peer.shares():
            if share.permanent and wanted.get(share.name) != share:
                await peer.remove_share(share.name)
                output.news("unshared", plain(f"no longer sharing {share.name}"), name=share.name)
        here = {share.name for share in peer.shares()}
        for share in wanted.values():
            if share.name not in here:
                await peer.restore_shares([share])
                if share.on:
                    output.news("share-restored", plain(f"sharing {share.name}"), name=share.name)


def _stamp(store: SettingsStore) -> tuple[int, int]:
    try:
        found = store.path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def _open_uses(peer: Peer, output: Output, store: SettingsStore, tasks: TaskSet) -> None:
    for use in kept_uses(store.load()):
        if use.at_login:
            tasks.spawn(_open(peer, output, use.peer_id, use.service, use.kind, use.port), name=f"open {use.service}")


async def _open(peer: Peer, output: Output, peer_id: PeerId, service: str, kind: str, port: int) -> None:
    """Open a service that is kept; a peer that is away is asked again and again."""
    problem = ""
    while True:
        try:
            where = await peer.use(peer_id, service, kind=kind, port=port)
        except PeerError as error:
            if str(error) != problem:
                problem = str(error)
                output.notice(f"{service} of {peer_id.short} is not open: {problem}")
            await asyncio.sleep(10 * LOOK_EVERY)
        else:
            output.news("opened", plain(where), peer_id=str(peer_id), service=service, kind=kind, where=where)
            return
