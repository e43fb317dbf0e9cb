"""What `grapevine invite`, `invitations` and `join` do."""

import time
from collections.abc import Awaitable, Callable

from core.cli.identity import key_store, qr_code
from core.cli.jobs import brief_peer
from core.cli.output import Output
from core.cli.running import run
from core.cli.story import Story
from core.errors import LocalError
from core.files.shown import plain
from core.invitations.inviter import make, row
from core.invitations.store import InvitationStore
from core.news.events import PeerEvent
from core.news.invitations import InvitationRow
from core.news.joins import JoinProgress
from core.profile.config import PeerConfig
from core.profile.logs import set_up_logging
from core.profile.settings import SettingsStore
from core.trust.entries import EVERY
from core.values import JsonValue

Job = Callable[[InvitationStore, Output, float], Awaitable[None]]  # with the time, Unix seconds


def _with_book(profile: str, as_json: bool, job: Job, *, changes: bool) -> None:
    set_up_logging(profile)
    output = Output(as_json=as_json)

    async def work() -> None:
        settings = SettingsStore(profile)
        store = InvitationStore(settings.invitations_file)
        await store.open()
        if store.problem:
            if changes:
                raise LocalError(store.problem, name="ERR_INVITATIONS")
            output.notice(f"{store.problem}.")
        if changes:
            settings.start()
        await job(store, output, time.time())

    run(work, output)


def invite(
    name: str, shares: frozenset[str], uses: int, days: float, called: str, qr: bool, profile: str, as_json: bool
) -> None:
    """Make an invitation and print its link."""

    async def job(store: InvitationStore, output: Output, now: float) -> None:
        own, _ = await key_store(profile).open()
        link, made = await make(store, own.peer_id, name, shares, now, uses=uses, days=days, called=called)
        text = str(link)
        # in capitals it is a smaller code
        output.result(
            "invited", f"{qr_code(text.upper())}\n{text}" if qr else text, link=text, **_fields(row(made, now))
        )
        if not as_json:
            output.notice(
                f"Send this link to {made.name}: who has it may join, until {_day(made.expires)}. Keep Grapevine "
                f"running until then. 'grapevine invitations withdraw {made.number}' takes it back."
            )

    _with_book(profile, as_json, job, changes=True)


def show(profile: str, as_json: bool) -> None:
    """Print all invitations."""

    async def job(store: InvitationStore, output: Output, now: float) -> None:
        rows = [row(each, now) for each in store.book.held.values()]
        text = "\n".join(map(_line, rows)) or "you have invited nobody yet"
        output.result("invitations", text, invitations=list[JsonValue](map(_fields, rows)), problem=store.problem)

    _with_book(profile, as_json, job, changes=False)


def withdraw(number: int, profile: str, as_json: bool) -> None:
    """Let nobody else join by an invitation."""

    async def job(store: InvitationStore, output: Output, now: float) -> None:
        gone = row(await store.change(lambda book: book.withdraw(number, now)), now)
        output.result("withdrawn", _line(gone), **_fields(gone))

    _with_book(profile, as_json, job, changes=True)


def reset(profile: str, as_json: bool) -> None:
    """Set a damaged file aside."""
    output = Output(as_json=as_json)

    async def work() -> None:
        kept = await InvitationStore(SettingsStore(profile).invitations_file).reset()
        text = (
            f"the damaged file is kept as {kept}"
            if kept
            else "the invitations are sound: there is nothing to set aside"
        )
        output.result("invitations-reset", plain(text), kept=str(kept) if kept else None)

    run(work, output)


async def join(config: PeerConfig, output: Output, link: str, name: str, timeout: float | None) -> None:
    """Open an invitation; say live what is done and what is waited for."""
    said: dict[str, str] = {}

    def tell(event: PeerEvent) -> None:
        if isinstance(event, JoinProgress) and not output.as_json and said.get(event.stage) != event.message:
            said[event.stage] = event.message
            output.notice(f"{event.message[:1].upper()}{event.message[1:]}.")

    async with brief_peer(config, output) as peer:
        peer.subscribe(tell)
        peer.subscribe(Story(output, at_once=True))
        joined = await peer.join(link, name=name, timeout=timeout)
        shares = ", ".join(joined.services)
        may = "everything that is shared there" if shares == "*" else shares or "nothing yet"
        text = f"{joined.name}  {joined.peer_id}\nYou may use: {may}"
        output.result(
            "joined", "\n".join(map(plain, text.splitlines())), id=str(joined.peer_id), name=joined.name,
            services=list[JsonValue](joined.services),
        )  # fmt: skip


def _line(each: InvitationRow) -> str:
    what = "every share" if frozenset(each.services) == EVERY else ", ".join(each.services) or "no share"
    who = "".join(f"\n    {_day(at)}  {peer_id}" for peer_id, at in each.joined)
    of = f" ({len(each.joined)} of {each.uses})" if each.uses > 1 else ""
    state = {"open": f"not yet here, until {_day(each.expires)}", "expired": f"expired {_day(each.expires)}"}
    lines = f"{each.number}  {each.name}  {what}  {state.get(each.state, each.state)}{of}{who}".splitlines()
    return "\n".join(map(plain, lines))


def _fields(each: InvitationRow) -> dict[str, JsonValue]:
    return {
        "number": each.number,
        "name": each.name,
        "services": list(each.services),
        "state": each.state,
        "made": each.made,
        "expires": each.expires,
        "uses": each.uses,
        "joined": [{"id": str(peer_id), "at": at} for peer_id, at in each.joined],
    }


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
