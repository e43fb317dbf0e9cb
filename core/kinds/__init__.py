"""Kinds of services: what can be shared, one module each; `core.kinds.table` lists them."""
