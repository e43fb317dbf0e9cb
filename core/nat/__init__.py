"""What the routers between this peer and others do with UDP: sampled from reflectors, classified, without I/O."""
