"""The uTP engine: reliable streams over UDP (BEP 29, LEDBAT), without I/O."""
