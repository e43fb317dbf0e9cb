"""Byte streams on asyncio: sessions between two peers, each carrying any number of streams."""
