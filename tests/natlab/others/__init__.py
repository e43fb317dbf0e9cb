"""Programs of others, HyperDHT and iroh, in our lab: what `python -m tests.natlab.beside` runs."""
