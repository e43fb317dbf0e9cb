"""The uTP engine, one file per behaviour."""
