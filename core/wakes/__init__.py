"""One place that says "we were asleep" or "the network is another" to all parts, as one event."""
