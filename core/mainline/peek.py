"""Asking again where an earlier search ended, and nobody else: a poll of 2, 3 or 8 packets.

A poll wants no nodes: an empty `want` (BEP 32) keeps them out of the answer, which is 120 bytes then, not 340.
"""

import contextlib
from collections.abc import Callable, Sequence

from core.dht.lookup import Target
from core.dht.transactions import Handler, Outcome
from core.dht.walk import Ask, Asked
from core.errors import RemoteError
from core.mainline.tasks import Operation
from core.signal.listed import CROWD
from core.wire.compact import Contact
from core.wire.krpc import Reply


class Peek:
    """One such question. The task is finished once all have answered, or will not."""

    def __init__(self, task: Operation, contacts: Sequence[Contact], demote: Callable[[bytes, Contact], None]) -> None:
        """`demote(target, node)`: others are asked before this one from now on."""
        self._task = task
        self._contacts = contacts
        self._demote = demote
        self._waiting = 1  # for ourselves to have asked all

    def start(self, ask: Ask, now: float) -> None:
        """Ask; who may not be sent to at the moment is left out."""
        arguments = {**self._task.arguments(), b"want": []}
        for contact in self._contacts:
            to = Target(contact.id, contact.address)
            if ask(to, self._task.method, arguments, self._heard(contact), now) is Asked.SENT:
                self._waiting += 1
        self._one_less(now)

    def _heard(self, contact: Contact) -> Handler:
        def handle(outcome: Outcome, now: float) -> None:
            if not _is_sound(outcome):
                self._demote(self._task.target, contact)
            if isinstance(outcome, Reply):
                with contextlib.suppress(RemoteError):  # nonsense is no answer
                    self._task.heard(contact, outcome.values, now)
            self._one_less(now)

        return handle

    def _one_less(self, now: float) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._task.finish(now)


def _is_sound(outcome: Outcome) -> bool:
    """Return whether a node has answered, without a crowd and without nodes that nobody wanted."""
    if not isinstance(outcome, Reply) or b"nodes" in outcome.values:
        return False
    listed = outcome.values.get(b"values")
    return not isinstance(listed, list) or len(listed) <= CROWD
