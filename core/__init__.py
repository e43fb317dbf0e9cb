"""A Grapevine peer without a window: `core.peer` is its facade, docs/architecture.md has its rooms."""

from core.compiled import install

install()
