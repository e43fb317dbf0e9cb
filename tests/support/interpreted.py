"""Tests that put something in place of a method of ours, which machine code calls directly: for pure Python only."""

import pytest

from core.compiled import COMPILED, engines

interpreted = pytest.mark.skipif(engines() == COMPILED, reason="it replaces a method that compiled code calls directly")
