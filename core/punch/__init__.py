"""The punch engine: small datagrams that open the NATs of two sides for each other, without I/O."""
