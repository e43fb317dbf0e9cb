"""Packets passed on for a pair that punching cannot join: the relay's side, and lanes that move between paths."""
