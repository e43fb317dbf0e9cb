"""Where the tests of trust keep their file."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the list of known peers is kept; its folder does not exist yet."""
    return tmp_path / "settings" / "default.trust.json"
