"""JSON requests and replies over streams: client, server, and the bounds of both."""
