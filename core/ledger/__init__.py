"""The record of calls: when, who, which service, how long and with what outcome; never what was said."""
