"""Byte streams: any number of them over one encrypted connection, as an engine without I/O."""
