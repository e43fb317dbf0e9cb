"""Plain English: a short list of words and turns that readers stumble over, and what to write in their place.

The list grows by what reviewers find. Take a word off only with a reason.
"""

import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.tools import ROOT
from tests.test_repository import tracked

# what is in each turn, in small letters, since a look for it is quick -> its pattern, and what to write instead
BANNED: Final = {
    "whom": (r"\bwhom\b", "name the peer, the caller, the user"),
    "whoever": (r"\bwhoever\b", "anyone who, the caller that"),
    "anew": (r"\banew\b", "again"),
    "no more": (r"\bno more\b(?! than)", "no longer, no further"),
    " who ": (
        r"\b(for|to|from|of|by) who (is|was|has|comes|registers|waits|asks|would)\b",
        "for those that, for a peer that",
    ),
    "hence": (r"\bhence\b", "so"),
    "thereby": (r"\bthereby\b", "so"),
    "but for": (r"\bbut for\b", "except"),
    "save for": (r"\bsave for\b", "except"),
    "nobody who": (r"\bnobody who\b", "say who does"),
}
TEXTS: Final = (".md", ".desktop")
CODE: Final = ("core", "desktop", "scripts", "examples", "benchmarks", "tests")


def words_of(source: str) -> str:
    """Return a program's comments and texts, docstrings too, one to a line; names in the code are not words."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    kept = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
    return "\n".join(token.string for token in tokens if token.type in kept)


def complaints(text: str) -> Iterator[str]:
    """Name each banned turn in a text, with what stands around it."""
    small = text.lower()
    for core, (pattern, better) in BANNED.items():
        for found in re.finditer(pattern, text, re.IGNORECASE) if core in small else ():
            around = " ".join(text[max(0, found.start() - 30) : found.end() + 30].split())
            yield f"...{around}...: {better}"


@functools.cache
def files() -> list[Path]:
    """Return what people read: documents, and code with its comments and texts. This file has the words themselves."""
    found = []
    for path in tracked():
        parts = path.relative_to(ROOT).parts
        is_code = path.suffix == ".py" and parts[0] in CODE
        if (is_code or path.suffix in TEXTS) and path != Path(__file__) and "corpus" not in parts:
            found.append(path)
    return found


def complaints_of(path: Path) -> list[str]:
    """Name each banned turn in a file. Most have none in all of their text, and need not be taken apart."""
    text = path.read_text()
    found = list(complaints(text))
    return list(complaints(words_of(text))) if found and path.suffix == ".py" else found


def test_all_is_in_plain_english() -> None:
    found = {str(path.relative_to(ROOT)): complaints_of(path) for path in files()}
    assert {name: each for name, each in found.items() if each} == {}


def test_a_banned_word_is_found_in_comments_and_texts_and_not_in_names() -> None:
    source = 'def whom() -> str:  # anew\n    """Call whoever."""\n    return f"no more {1}" + whom()\n'
    assert len(list(complaints(words_of(source)))) == 3
    assert list(complaints("no more than 3, and the record of who called")) == []
