"""The identity of a peer: an Ed25519 key, the certificate made of it, and where the key is kept."""
