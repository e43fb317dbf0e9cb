"""Who may call which service: known peers, audiences, and requests that wait for the owner's answer."""
