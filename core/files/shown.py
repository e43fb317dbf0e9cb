"""Text from outside, for a terminal, a log or a table: what cannot be printed is shown as what it is."""


def plain(text: str) -> str:
    """Return text in which control characters, escape sequences, direction marks and half characters are escapes.

    Those are what could forge a line, hide what is there, or drive a terminal: Unicode's categories C and Z without the
    space.
    """
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
