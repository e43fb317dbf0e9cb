"""Text from outside, made safe to show: what cannot be printed is written out, what is long is cut, nothing is markup.

Names, keys, error texts and addresses come from strangers. Qt guesses whether a text is markup (labels, tooltips,
message boxes), menus read `&`, notification services and some panels read HTML. Each function here is for one of
these places; all but `shown` begin with it, and all may be used on text that is safe already.
"""

import html
from typing import Final

LONGEST: Final = 300  # characters of one text from outside on one line: more than anybody reads at a glance
LONGEST_TIP: Final = 2000  # characters of a tooltip, some 30 lines; the widget is laid out at once
ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_SHORT_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NO_MARKUP: Final = str.maketrans({"<": "\u2039", ">": "\u203a", "&": "\uff06"})


def shown(text: str, longest: int = LONGEST) -> str:
    """Return one line to show as plain text: `\\u202e` for a character that would turn, hide or break it.

    At most `longest` characters, the last one an ellipsis when something was cut.
    """
    if len(text) <= longest and text.isprintable():
        return text
    written: list[str] = []
    used = 0
    for character in text:
        part = character if character.isprintable() else _written(character)
        used += len(part)
        if used > longest:
            return _cut(written, longest)
        written.append(part)
    return "".join(written)


def _cut(written: list[str], longest: int) -> str:
    """Return as many whole parts as leave room for the ellipsis."""
    used = sum(map(len, written))
    while written and used > longest - 1:
        used -= len(written.pop())
    return "".join(written) + ELLIPSIS


def _written(character: str) -> str:
    code = ord(character)
    return _SHORT_ESCAPES.get(character) or (f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")


def lines(text: str, longest: int = LONGEST_TIP) -> str:
    """Return text of several lines to show as plain text; each line is as `shown` makes it."""
    kept = text[: longest + 1].split("\n")
    whole = "\n".join(shown(line, longest) for line in kept)
    return whole if len(whole) <= longest else whole[: longest - 1] + ELLIPSIS


def tip(text: str) -> str:
    """Return a tooltip that shows exactly `lines(text)`, where Qt would guess whether it is markup."""
    safe = lines(text)
    if "<" not in safe and "&" not in safe:
        return safe
    return f'<p style="white-space:pre-wrap">{html.escape(safe)}</p>'


def menu_text(text: str) -> str:
    """Return the text of a menu, an action, a button or a tab: `&` is a letter here, not the mark of a key."""
    return shown(text).replace("&", "&&")


def unmarked(text: str) -> str:
    """Return text for a place that may read markup or may not, such as a panel: the three characters are replaced."""
    return lines(text).translate(_NO_MARKUP)
