"""Sealed datagrams beside byte streams: unreliable, unordered, each by itself, as an engine without I/O."""
