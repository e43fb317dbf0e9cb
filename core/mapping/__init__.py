"""A port of this peer's router, opened by asking it: PCP, NAT-PMP and UPnP, renewed, and given back at the end."""
