"""One user's choices and their place on this system: settings, configuration, logs, menu entries, start at login."""
