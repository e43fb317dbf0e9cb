"""What this peer is to others: its identity, its addresses, its record."""
