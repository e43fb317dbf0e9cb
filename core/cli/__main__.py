"""`python -m core.cli` is `grapevine`."""

from core.cli import main

main()
