"""Exit codes: one table, in `--help` and in the reference."""

import pytest

from core.cli import exits
from core.directory.records.check import RecordMissing
from core.errors import (
    LocalError,
    LookupEmpty,
    PayloadError,
    PeerError,
    RefusedError,
    RequestTimeout,
    TransportClosed,
    Unreachable,
)
from tests.support.tools import ROOT


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LocalError("x"), exits.FAILED),
        (PeerError("x"), exits.FAILED),
        (LookupEmpty("x"), exits.NOBODY),
        (RecordMissing("x"), exits.NOBODY),
        (RefusedError("x", name="ERR_NOT_TRUSTED"), exits.REFUSED),
        (RefusedError("x", name="ERR_GRAPE_LOOKUP_EMPTY"), exits.REFUSED),
        (PayloadError("x"), exits.REFUSED),
        (RequestTimeout("x"), exits.TIMED_OUT),
        (TransportClosed("x"), exits.NO_NETWORK),
        (Unreachable("x"), exits.NO_NETWORK),
        (Unreachable("x", name="ERR_GRAPE_UNREACHABLE"), exits.NO_NETWORK),
    ],
)
def test_each_error_has_its_code(error: PeerError, code: int) -> None:
    assert exits.code(error) == code
    assert code in exits.MEANINGS


def test_readme_has_the_table() -> None:
    assert exits.table() in (ROOT / "docs/reference/commands.md").read_text()
