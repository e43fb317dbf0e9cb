"""Options of shares as a settings file may have them: what was meant to close a share never opens it."""

from pathlib import Path

import pytest

from core.errors import LocalError
from core.kinds.share import Share
from core.kinds.table import KINDS, make
from core.values import JsonValue


@pytest.mark.parametrize("options", [{"drop": "true"}, {"drop": 1}, {"dorp": True}, {"Drop": True}, {"hidden": None}])
def test_a_mistyped_drop_box_is_no_folder_that_all_may_read(tmp_path: Path, options: dict[str, JsonValue]) -> None:
    with pytest.raises(LocalError):
        make(Share("box", "folder", {"path": str(tmp_path), **options}))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_refuses_options_that_it_does_not_know(kind: str) -> None:
    with pytest.raises(LocalError, match="no option 'surprise'"):
        make(Share("x", kind, {"surprise": True}))
