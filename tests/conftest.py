"""What holds for every test: it is sealed off from the machine, and a missing tool is never a silent skip in CI."""

import os

os.environ.setdefault("GRAPEVINE_ENGINES", "python")  # the reference; `make test-compiled` asks for the other

import gc
import inspect
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer

from tests.support import forks, second_look, slow_half, virtual_time
from tests.support.process import NO_KEYRING
from tests.support.seal import Seal, become_root, seal
from tests.support.tools import demand
from tests.support.workers import Scheduling, say_less

SEAL = pytest.StashKey[Seal]()
HOME = pytest.StashKey[str]()

# What is compiled once is kept, though the machine may ask otherwise: the tests start hundreds of programs, and pytest
# rewrites the assertions of 400 files. Compiling took 8 of 17 seconds of collecting, in each worker.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A loaded machine makes drawing an example slow, which says nothing about the strategy.
hypothesis.settings.register_profile("ours", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("ours"), max_examples=20)

# Programs run on the loop that every user has, though the checks install uvloop; those that test it say so.
os.environ.setdefault("GRAPEVINE_LOOP", "asyncio")
# No program greets a network, but one that a test put on a network of its own.
os.environ["GRAPEVINE_LAN"] = "off"


def _runs_tests(config: pytest.Config) -> bool:
    """Tell a process that runs tests from one that only hands them to its workers."""
    return hasattr(config, "workerinput") or not config.getoption("numprocesses", None)


def pytest_xdist_auto_num_workers() -> int:
    """Choose twice as many workers as cores (`-n auto`): tests wait a lot. Each takes up to half a gigabyte."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return int(os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", min(2 * cores, 8)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Keep together what shares a thing, unless another way to share out the tests is asked for."""
    return Scheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_report_header() -> str:
    """Say what a run without the slow half does not see."""
    return slow_half.told()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Keep what came of the slow half, and which tests of a whole run failed."""
    whole = config.args == config.getini("testpaths") and not (config.option.keyword or config.option.collectonly)
    if whole:
        reports = [each for kind in ("failed", "error") for each in terminalreporter.stats.get(kind, [])]
        second_look.failed(each.nodeid for each in reports)
    if whole and config.option.markexpr == slow_half.MARKS:
        slow_half.ran({name: len(reports) for name, reports in terminalreporter.stats.items()})


def pytest_configure(config: pytest.Config) -> None:
    """Give this process a network, settings, a session bus and a keyring that are nobody's."""
    # before a test is imported; Hypothesis' own 100 examples of each are in the slow half
    hypothesis.settings.load_profile("quick" if config.option.markexpr == slow_half.ALL_BUT else "ours")
    become_root()
    # Ignored in a shell's background, or under nohup: programs would inherit it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if not _runs_tests(config):
        return
    say_less(config)
    config.stash[SEAL] = seal()
    config.stash[HOME] = home = tempfile.mkdtemp(prefix="grapevine-tests-")
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        os.environ[f"XDG_{kind}_HOME"] = str(Path(home, kind.lower()))
    runtime = Path(home, "run")
    runtime.mkdir(mode=0o700)
    os.environ |= {
        "XDG_RUNTIME_DIR": str(runtime),
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        "PYTHON_KEYRING_BACKEND": NO_KEYRING,
    }
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):  # never a window on the developer's screen
        os.environ.pop(name, None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Let the collector of garbage rest while 12,000 tests are made, of which none is garbage: a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Let the collector pass over what stays till the end: it is large, and some tests have it look for leaks."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End and remove what was made."""
    forks.end()
    if HOME in config.stash:
        shutil.rmtree(config.stash[HOME], ignore_errors=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip (under CI=true: fail) a test whose tools are missing."""
    demand([mark.name for mark in item.iter_markers()])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test of a module that is marked `virtual_time` on a loop whose time jumps."""
    if pyfuncitem.get_closest_marker("virtual_time") is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    # as pytest's own hook does: `funcargs` has the fixtures of others too
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    virtual_time.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session")
def sealed(request: pytest.FixtureRequest) -> Seal:
    """What keeps this process's tests in."""
    return request.config.stash[SEAL]


@pytest.fixture(autouse=True)
def _nothing_leaves(sealed: Seal) -> Iterator[None]:
    """Fail a test that sent something beyond this machine, itself or by a program that it started."""
    yield
    assert sealed.escaped() == [], "this would have left the machine"
