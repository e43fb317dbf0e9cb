"""The public DHT of BitTorrent ("Mainline"): one node that asks much less than it may, as an engine without I/O."""
