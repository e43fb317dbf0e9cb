"""Which counters were seen: the sliding window of RFC 6479, which clears words and never shifts."""

from typing import Final

WINDOW: Final = 4096  # counters behind the newest that may still come: 5 MB of full datagrams, 40 ms of 1 Gbit/s
_WORD: Final = 64
_WORDS: Final = WINDOW // _WORD + 1  # one more than the window, so that clearing the next one loses nothing of it


class ReplayWindow:
    """`fresh` before a datagram is opened, `take` once it proved to be genuine."""

    __slots__ = ("_words", "newest")

    def __init__(self) -> None:
        self.newest = -1
        self._words = [0] * _WORDS

    def fresh(self, counter: int) -> bool:
        """Tell whether this counter was not seen, and is not too old to know."""
        if counter > self.newest:
            return True
        if self.newest - counter >= WINDOW:
            return False
        return not self._words[counter // _WORD % _WORDS] >> counter % _WORD & 1

    def take(self, counter: int) -> None:
        """Note a counter that is fresh."""
        word = counter // _WORD
        if counter > self.newest:
            last = self.newest // _WORD if self.newest >= 0 else -1
            for passed in range(max(last + 1, word - _WORDS + 1), word + 1):
                self._words[passed % _WORDS] = 0
            self.newest = counter
        self._words[word % _WORDS] |= 1 << counter % _WORD
