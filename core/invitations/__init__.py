"""Invitations: a link makes two people know each other, once, for what was named, and until it expires."""
