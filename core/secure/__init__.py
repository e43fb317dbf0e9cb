"""Encrypted sessions: TLS 1.3 with certificates of both sides, on a uTP stream (docs/protocol-additions.md)."""
