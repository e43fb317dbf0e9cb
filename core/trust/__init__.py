"""Permission to call services: known peers, audiences, and requests that wait for the owner's answer."""
