"""The public DHT on this peer's socket: the node and the exchange at work, what is kept of them, and when they may."""
