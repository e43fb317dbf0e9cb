"""Which tests run in one worker, because they share what is expensive or look at what is the machine's.

By file, and not by pytest-xdist's mark `xdist_group`: with pytest 9.2 the mark has no effect (pytest-xdist 3.8 sets a
field that is gone).
"""

from xdist.scheduler import LoadScopeScheduling

TOGETHER = frozenset(
    {
        "tests/bundle",  # it is built once, in one folder
        "tests/natlab/test_brokered_life.py",  # all scenes are played at once
        "tests/natlab/test_lab.py",  # which namespaces are there before and after
        "tests/natlab/test_matrix.py",  # all cells are tried at once
    }
)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Hands out tests one by one, and the files and folders of TOGETHER whole; these first."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        folder = path.rpartition("/")[0]
        return next((each for each in (path, folder) if each in TOGETHER), nodeid)
