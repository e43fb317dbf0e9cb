"""What the bundle's program runs: `grapevine`, as the console script of an installation does."""

from core.cli import main

main()
