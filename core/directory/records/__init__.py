"""A peer's signed record in the DHT: who is it, where can it be reached, what does it offer (BEP 44)."""
