"""Doorbell and mailbox: how two that share a secret meet by a DHT that anybody can read, as engines without I/O."""
