"""A port of this peer's router, of IPv6 a pinhole: asked for by PCP, NAT-PMP and UPnP, renewed, given back."""
