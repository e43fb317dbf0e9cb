"""The menu entry and the start at login."""
