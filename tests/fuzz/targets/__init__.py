"""The fuzz targets, one to a module; see `tests.fuzz.harness`."""
