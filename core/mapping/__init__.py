"""A port of this peer's router, opened by asking it: PCP, NAT-PMP and UPnP, of IPv6 a pinhole, renewed, and given back at the end."""
