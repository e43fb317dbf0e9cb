"""Who we are: an Ed25519 key, the certificate made of it, and where the key is kept."""
