"""Bringing two peers together that both are behind a NAT: what a broker keeps, and how a peer uses brokers."""
