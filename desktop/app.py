"""The composition root: what the desktop program is made of, in the order it comes to life.

`start` makes the QApplication, sees that it is the only one of its profile, and runs `run` on the loop. `run` shows the
window first, from settings alone; then the core is imported and a peer opened behind the bridge. Closing is opening
reversed, and may begin at every point of it.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication, QWidget

from core.aio.tasks import TaskSet
from core.errors import LocalError
from core.files.environment import leave_bundle
from core.news.events import GrapeSnapshot, GrapeState, ServiceSnapshot
from core.profile.config import KeyPlace, PeerConfig
from core.profile.integration import integration
from core.profile.settings import Settings, SettingsStore
from core.profile.shares import kept_shares
from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.trust.audience import audience_of
from desktop.bridge import Bridge
from desktop.choices import Choices
from desktop.closing import Closing
from desktop.damaged import ask_about_settings
from desktop.faults import Faults, start_log
from desktop.friends import add_to_window, greet, show_invitation
from desktop.guard import Guard
from desktop.icons import app_icon
from desktop.identity_acts import IdentityActs
from desktop.keeper import Keeper, Opener, load_core
from desktop.kept import Kept, with_switches
from desktop.loop import PreciseLoop
from desktop.models.peers import Ourselves
from desktop.notifications import Notifier
from desktop.public_dht import Attention, ask_when_wanted
from desktop.quitter import Quitter
from desktop.resume import remember, resume
from desktop.single_instance import Claim, SingleInstance
from desktop.tray import Tray
from desktop.tray_request import TrayRequest
from desktop.views.main_window import MainWindow

PAINT_SECONDS = 1.0  # a window manager may keep a new window from painting; the core does not wait longer than this
THREADS_SECONDS = 1.0  # an import that runs when quitting is asked ends within this; then the process does not wait

KEYRING_PATIENCE = 300.0  # seconds, at the very first start
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """How this run was started. `grapes`, `bootstrap` and `no_lan` hold for this run, and are not saved."""

    profile: str
    hidden: bool = False
    grapes: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] | None = None
    no_lan: bool = False
    link: str = ""  # an invitation to show

    def key_place(self) -> KeyPlace:
        """Return where this profile's key is."""
        # a user who sees the window can answer the keyring, and may take minutes for it
        return KeyPlace(SettingsStore(self.profile).path.parent, self.profile, patience=KEYRING_PATIENCE)

    def peer_config(self, settings: Settings) -> PeerConfig:
        """Return what the peer is opened with."""
        store = SettingsStore(self.profile)
        config = PeerConfig.from_settings(
            settings, trust_file=store.trust_file, calls_file=store.calls_file,
            invitations_file=store.invitations_file, places_file=store.places_file, mainline_file=store.mainline_file,
            open_peers_file=store.open_peers_file,
        )  # fmt: skip
        config = replace(
            config,
            identity=self.key_place(),
            lan=config.lan and not self.no_lan,
            port_mapping=config.port_mapping and not self.no_lan,
        )
        if self.grapes:
            config = replace(config, grapes=self.grapes)
        return config if self.bootstrap is None else replace(config, bootstrap=self.bootstrap)


class Application(QApplication):
    """A QApplication whose Quit event (Cmd+Q, the session's end, `quit()`) asks instead of stopping the loop.

    `event` sees only what is sent to the application itself; `Guard` sees the events of all widgets.
    """

    link_opened = Signal(str)

    def __init__(self, start: Start, quitter: Quitter) -> None:
        super().__init__(["grapevine"])
        self.link = ""  # the last one that was opened
        self._quitter = quitter
        self.guard = Guard(self)
        self.setQuitOnLastWindowClosed(False)
        self.setApplicationName("grapevine")
        self.setApplicationDisplayName("Grapevine" if start.profile == "default" else f"Grapevine ({start.profile})")
        self.setDesktopFileName("grapevine")  # the tray item's id, Wayland's app_id, the notifications' sender
        self.setWindowIcon(app_icon())

    def event(self, event: QEvent) -> bool:
        """Turn Quit into a question to the quitter."""
        if event.type() == QEvent.Type.Quit:
            self._quitter.ask()
            return True
        if isinstance(event, QFileOpenEvent):  # macOS: a link was clicked, perhaps before the window is there
            self.link = event.url().toString() or event.file()
            self.link_opened.emit(self.link)
            return True
        return super().event(event)


def start(start: Start, quitter: Quitter, *, load: Callable[[], Awaitable[Opener]] = load_core) -> int:
    """Run the program to its end and return the exit code. Blocks. The quitter catches signals already."""
    store = SettingsStore(start.profile)
    start_log(start.profile)
    faults = Faults(start.profile)
    faults.install()
    log.info("starting, profile %s", start.profile)
    application = Application(start, quitter)
    application.libraryPaths()  # Qt has read where its plugins are, and keeps it
    leave_bundle(os.environ)  # what we start now loads the system's own: a browser, a share's program
    instance = SingleInstance(start.profile, link=start.link)
    try:
        claim = Claim.FIRST if quitter.asked else instance.claim(given_up=lambda: quitter.asked)
        if claim is not Claim.FIRST and not quitter.asked:
            return _other(claim, start.profile)
        with asyncio.Runner(loop_factory=lambda: PreciseLoop(application)) as runner:
            loop = runner.get_loop()
            faults.watch(loop)
            runner.run(run(start, quitter, instance, store, faults, load=load))
    finally:
        instance.close()
        quitter.done()
    log.info("ended")
    _await_threads(loop)
    return 0


async def run(
    start: Start,
    quitter: Quitter,
    instance: SingleInstance,
    store: SettingsStore,
    faults: Faults,
    *,
    load: Callable[[], Awaitable[Opener]],
) -> None:
    """Show the window, then open the peer, until quitting is asked for. `load` imports the core."""
    quitter.enter_loop()
    first = not store.path.exists()
    settings = store.start()
    registry = Registry(FibonacciService())
    async with AsyncExitStack() as stack:
        bridge = Bridge()
        stack.push_async_callback(bridge.aclose)
        bridge.stand_in(_not_yet(settings), _services(registry, settings))
        resume(bridge, settings)

        identity = IdentityActs(start.key_place())
        stack.push_async_callback(identity.aclose)
        window = MainWindow(bridge, settings, identity=identity, integration=integration(start.profile))
        stack.callback(window.shut)
        faults.show = window.show_message
        stack.callback(setattr, faults, "show", None)
        choices = Choices(store, settings)
        window.settings_changed.connect(lambda chosen: choices.change(with_switches(chosen, choices.current)))
        choices.changed.connect(window.set_settings)
        choices.failed.connect(window.show_message)
        stack.push_async_callback(_save, choices, window)
        bridge.wished.connect(lambda wish, on: remember(choices, wish, on))
        Kept(bridge, store, choices, window.show_message)

        tray = Tray(bridge, tuple(service.name for service in registry))
        closing = Closing(window, tray, bridge, choices, quitter.ask)
        notifier = _notifier(window, tray, bridge, choices)
        stack.push_async_callback(notifier.aclose)
        _wire(window, tray, closing, notifier, bridge, instance, quitter)
        stack.callback(tray.hide)
        stack.callback(window.hide)

        keeper = Keeper(bridge, start.peer_config(settings), registry)
        choices.changed.connect(lambda settings: keeper.use(start.peer_config(settings)))
        identity.replaced.connect(keeper.reopen)
        identity.retried.connect(bridge.retry_identity)
        tasks = TaskSet("application")
        stack.push_async_callback(tasks.aclose)

        await _show(window, tray, hidden=start.hidden)
        for problem in kept_shares(settings).problems:
            window.show_message(problem)
        ask_about_settings(window, store, choices, bridge)
        greet(window, bridge, follow_links(window) or start.link, first=first and not start.hidden)
        ask_when_wanted(window, bridge, choices)
        tasks.spawn(keeper.run(load), name="peer")
        await quitter.wait()
        log.info("quitting")
        window.hide()  # at once: what follows may take a moment
        tray.hide()


def _notifier(window: MainWindow, tray: Tray, bridge: Bridge, choices: Choices) -> Notifier:
    """Return what tells the user of peers, of requests that wait, and of the answer to a request from the tray."""
    notifier = Notifier(
        tray,
        window.reveal_peer,
        window.reveal_pending,
        lambda: _reveal_people(window),
        wanted=lambda: choices.current.notify_new_peers,
        focused=window.isActiveWindow,
        ours=lambda address: Ourselves(bridge.snapshot()).at(address),
    )

    def tell(title: str, text: str) -> None:
        notifier.tell(title, text, window.reveal, window.show_message)

    asking = TrayRequest(bridge, tell, window.request.remember, parent=tray)
    tray.request_requested.connect(asking.send)
    return notifier


def _wire(
    window: MainWindow,
    tray: Tray,
    closing: Closing,
    notifier: Notifier,
    bridge: Bridge,
    instance: SingleInstance,
    quitter: Quitter,
) -> None:
    """Connect the widgets with the parts that act."""
    window.quit_requested.connect(quitter.ask)
    window.close_requested.connect(closing.on_close)
    tray.quit_requested.connect(quitter.ask)
    tray.open_requested.connect(window.reveal)
    tray.always_requested.connect(window.accept_always)
    tray.pending_requested.connect(window.reveal_pending)
    tray.copy_id_requested.connect(window.header.copy_id)
    tray.vanished.connect(closing.on_tray_vanished)
    add_to_window(window, bridge)
    Attention(window, bridge)
    instance.show_requested.connect(window.reveal)
    instance.link_requested.connect(lambda link: show_invitation(window, link))
    bridge.events_arrived.connect(notifier.on_events)


def follow_links(window: MainWindow) -> str:
    """Show each link that the system hands over from now on; return the one that came before the window was there."""
    application = QApplication.instance()
    if not isinstance(application, Application):
        return ""
    application.link_opened.connect(lambda link: show_invitation(window, link))
    return application.link


def _reveal_people(window: MainWindow) -> None:
    window.reveal()
    window.pages.choose("people")
    window.people.focus_start()


async def _show(window: MainWindow, tray: Tray, *, hidden: bool) -> None:
    """Show the window and wait until it was painted; or, started hidden, show it only if there is no tray."""
    started = time.monotonic()
    if hidden:
        tray.settled.connect(lambda there: None if there else window.reveal())
        tray.start()
        return
    painted = _Painted(window)
    window.show()
    await painted.wait()
    log.info("window painted after %.0f ms", (time.monotonic() - started) * 1000)
    tray.start()


class _Painted(QObject):
    """Waits for the first paint of a widget."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__()
        self._widget = widget
        self._event = asyncio.Event()
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look, and let everything pass."""
        if event.type() == QEvent.Type.Paint:
            self._event.set()
        return False

    async def wait(self) -> None:
        """Wait until it was painted, at most `PAINT_SECONDS`."""
        try:
            async with asyncio.timeout(PAINT_SECONDS):
                await self._event.wait()
        except TimeoutError:
            log.info("the window was not painted within %.1f s", PAINT_SECONDS)
        finally:
            self._widget.removeEventFilter(self)


async def _save(choices: Choices, window: MainWindow) -> None:
    await choices.aclose(window.save_state())


def _not_yet(settings: Settings) -> GrapeSnapshot:
    url = settings.grapes[0] if settings.grapes else ""
    return GrapeSnapshot(GrapeState.STARTING, not settings.grapes, url, 0, "Starting")


def _services(registry: Registry, settings: Settings) -> tuple[ServiceSnapshot, ...]:
    return tuple(
        ServiceSnapshot(
            each.name,
            each.description,
            each.example,
            sharing=False,
            consuming=False,
            announced_nodes=0,
            served=0,
            failed=0,
            audience=audience_of(each.name, settings.audiences),
        )
        for each in registry
    )


def _other(claim: Claim, profile: str) -> int:
    """Say what the other instance did, and return the exit code."""
    if claim is Claim.SHOWN:
        sys.stdout.write(f"Grapevine is running already with the profile {profile!r}: its window is shown now.\n")
        return 0
    sys.stderr.write(
        f"Grapevine seems to be running already with the profile {profile!r}, but it does not answer. "
        "End it, or start another one with --profile NAME.\n"
    )
    return 1


def _await_threads(loop: asyncio.AbstractEventLoop) -> None:
    """Give an import or a computation that is under way the time to end; then end the process beside it.

    Tearing the interpreter down under a thread that is in foreign code may crash it (PyO3 and C++ cannot be unwound).
    """
    if not isinstance(loop, PreciseLoop):
        raise LocalError("the program runs on a PreciseLoop only")
    deadline = time.monotonic() + THREADS_SECONDS
    while loop.executor.busy():
        if time.monotonic() >= deadline:
            log.info("ended beside a thread that is still at work")
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0)
        time.sleep(0.01)
