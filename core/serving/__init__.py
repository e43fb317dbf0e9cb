"""Requests that come in: what is shared, who may call, how much, and what is written down."""
