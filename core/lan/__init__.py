"""Peers on the same network, found by mDNS (RFC 6762) and DNS-SD (RFC 6763) without a server and without Internet."""
