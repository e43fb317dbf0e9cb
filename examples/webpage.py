#!/usr/bin/env python3
"""A web page of one file, with a clock that goes on by itself (Server-Sent Events). Only this computer can open it.

examples/webpage.py 8080 &
grapevine share 8080 --name garden
grapevine open PEER/garden --browser          on the other side
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"""<!doctype html><title>Garden</title><h1>The garden</h1><p id="clock">...</p>
<script>new EventSource("clock").onmessage = event => document.all.clock.textContent = event.data</script>"""


class Garden(BaseHTTPRequestHandler):
    """Answers two paths: the page, and the clock in it."""

    def do_GET(self) -> None:
        """Answer a request."""
        clock = self.path == "/clock"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if clock else "text/html")
        self.end_headers()
        if not clock:
            self.wfile.write(PAGE)
            return
        while True:  # until the reader has gone
            self.wfile.write(f"data: {time.ctime()}\n\n".encode())
            time.sleep(1)

    def handle(self) -> None:
        """Take it for no fault that a reader goes."""
        try:
            super().handle()
        except ConnectionError:
            return


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    ThreadingHTTPServer(("127.0.0.1", port), Garden).serve_forever()
