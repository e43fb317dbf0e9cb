"""Datagrams over TCP where UDP is blocked: to a friend or a broker that passes packets on, as WebSocket messages."""
