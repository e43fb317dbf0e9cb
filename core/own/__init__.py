"""Who and where this peer is: its identity, its addresses, its record."""
