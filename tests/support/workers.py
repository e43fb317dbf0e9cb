"""Which tests run in one worker, because they share what is expensive or look at what is the machine's.

By file, and not by pytest-xdist's mark `xdist_group`: with pytest 9.2 the mark has no effect (pytest-xdist 3.8 sets a
field that is gone).
"""

from typing import Any

import pytest
from xdist.remote import WorkerInteractor
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

TOGETHER = frozenset(
    {
        "tests/bundle",  # it is built once, in one folder
        "tests/dht/test_amplification.py",  # a grape that knows many
        "tests/grape/test_lazy_http.py",  # what a program loads
        "tests/natlab/test_brokered_life.py",  # all scenes are played at once
        "tests/natlab/test_lab.py",  # which namespaces are there before and after
        "tests/natlab/test_matrix.py",  # all cells are tried at once
        "tests/peer/test_imports.py",  # what a program loads
    }
)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Hands out tests one by one, and the files and folders of TOGETHER whole; these first."""

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Note it, and forget what a worker has done with: pytest-xdist counts all of it again after each test."""
        nodeid = self.registered_collections[node][item_index]
        work, scope = self.assigned_work[node], self._split_scope(nodeid)
        work[scope][nodeid] = True
        if all(work[scope].values()):
            del work[scope]
        self._reschedule(node)

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        folder = path.rpartition("/")[0]
        return next((each for each in (path, folder) if each in TOGETHER), nodeid)


def say_less(config: pytest.Config) -> None:
    """Have a worker keep to itself what nobody looks at: that a test begins, and that its set-up and its end went well.

    A message costs more than a small test. `--durations` asks for all.
    """
    if config.getoption("durations") is not None:
        return
    for plugin in config.pluginmanager.get_plugins():
        if isinstance(plugin, WorkerInteractor):
            plugin.sendevent = _Fewer(plugin.sendevent)


class _Fewer:
    """Sends what matters."""

    def __init__(self, send: Any) -> None:  # noqa: ANN401 - pytest-xdist has no types
        self._send = send

    def __call__(self, name: str, **content: Any) -> None:  # noqa: ANN401
        if name in ("logstart", "logfinish") or (name == "testreport" and _went_on(content["data"])):
            return
        self._send(name, **content)


def _went_on(report: dict[str, Any]) -> bool:
    return report["outcome"] == "passed" and report["when"] != "call" and not report["sections"]
