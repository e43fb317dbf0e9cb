"""Other sockets: what is known of them, and how much may leave for one that has not answered."""
