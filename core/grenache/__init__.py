"""Grenache over HTTP and WebSocket, both roles: what plain peers of any language speak, on TCP ports of their own."""
