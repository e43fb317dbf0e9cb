"""What the window does about friends beside its pages: the first start, links from outside, entries of the menus."""

from collections.abc import Callable, Sequence

from core.news.events import PeerEvent
from core.news.joins import InvitationAccepted
from core.peer_id import PeerId
from desktop.notifications import joined_words
from desktop.views.contract import BridgeLike
from desktop.views.main_window import MainWindow
from desktop.views.welcome import WelcomeStrip

DEMO = "fibonacci"  # the service that shows the way


def add_to_window(window: MainWindow, bridge: BridgeLike) -> None:
    """Add the entries of the menus, and go on from a new friend to what they share."""
    inviting = window.people.inviting
    inviting.use_wanted.connect(lambda peer_id: show_shares_of(window, peer_id))
    window.sharing.invite_wanted.connect(inviting.invite)
    bridge.events_arrived.connect(lambda events: _tell_who_came(window, events))
    menus = window.menus
    menus.add_to_peer("invite", "In&vite a friend...", lambda: _on_people(window, inviting.invite), "Ctrl+Shift+I")
    menus.add_to_peer("open_link", "&Open an invitation...", lambda: show_invitation(window), "Ctrl+O")
    menus.add_to_help("welcome", "&Welcome and self-test...", lambda: show_welcome(window, bridge))


def greet(window: MainWindow, bridge: BridgeLike, link: str, *, first: bool) -> None:
    """Show the invitation that the program was started for, or else, the first time, what one can begin with."""
    if link:
        show_invitation(window, link)
    elif first:
        show_welcome(window, bridge)


def show_invitation(window: MainWindow, link: str = "") -> None:
    """Bring the window up with somebody's invitation; nothing happens until the user says so."""
    window.reveal()
    _on_people(window, lambda: window.people.inviting.open_invitation(link))


def show_shares_of(window: MainWindow, peer_id: PeerId) -> None:
    """Show what a friend shares, who is asked for it now."""
    window.pages.choose("using")
    window.using.ask_friend(peer_id)


def show_welcome(window: MainWindow, bridge: BridgeLike) -> WelcomeStrip:
    """Ask what to begin with, and show the self-test, above the pages."""

    def share() -> None:
        window.pages.choose("sharing")
        window.sharing.share()

    def demo() -> None:
        """Turn both switches on: this computer asks itself. Only trusted peers may ask it besides."""
        window.pages.choose("live")
        bridge.set_sharing(DEMO, True)
        bridge.set_consuming(DEMO, True)
        window.services.focus()

    for shown in window.findChildren(WelcomeStrip):
        shown.answered()
    strip = WelcomeStrip(window.people.inviting.theme, share, lambda: show_invitation(window), demo)
    strip.show_snapshot(bridge.snapshot())
    bridge.snapshot_changed.connect(strip.show_snapshot)
    window.put_above_pages(strip)
    return strip


def _tell_who_came(window: MainWindow, events: Sequence[PeerEvent]) -> None:
    """Say in the window that an invitation was accepted: its maker waits for that, on whichever page."""
    if came := [event for event in events if isinstance(event, InvitationAccepted)]:
        window.show_message(". ".join(joined_words(came)))


def _on_people(window: MainWindow, act: Callable[[], object]) -> None:
    window.pages.choose("people")
    act()
