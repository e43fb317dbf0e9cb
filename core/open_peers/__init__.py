"""Open peers: reachable peers of ours that help strangers meet. How they are found and judged; engines without I/O."""
