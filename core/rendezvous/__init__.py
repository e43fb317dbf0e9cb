"""Being found, and opening the way: roles, pairing, pace of punches, brokers, introductions."""
