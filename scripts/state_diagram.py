"""Write docs/utp-states.md from the engine's own table of transitions, core/utp/state.py.

`python -m scripts.state_diagram` writes it; tests/utp/test_states.py fails while it is not what this would write.
"""

from pathlib import Path

from core.utp.state import TRANSITIONS, State

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "utp-states.md"
MEANINGS = {
    State.SYN_SENT: "We connect; there is no answer yet.",
    State.SYN_RECEIVED: "A SYN was answered; it is not known yet whether its sender hears us. The owner is not told.",
    State.OPEN: "Both sides send.",
    State.LOCAL_ENDED: "We closed: our FIN follows what is queued. Reading goes on.",
    State.REMOTE_ENDED: "The peer's FIN is reached. Writing goes on.",
    State.BOTH_ENDED: "Until our FIN is acked and everything is read.",
    State.CLOSED: "It is over, and the owner was told, if it ever knew.",
}
_HEAD = """# The states of a uTP connection

Made by `python -m scripts.state_diagram` from the table in [core/utp/state.py](../core/utp/state.py), which
`Connection._enter` enforces: it alone changes a state. `tests/torture/test_transitions.py` sees every arrow happen.
"""


def identifier(state: State) -> str:
    """Return a state's name in the diagram, where a hyphen has a meaning."""
    return state.value.replace("-", "_")


def diagram() -> list[str]:
    """Return the lines of a Mermaid state diagram; the causes are in the table below it."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{state.value}" as {identifier(state)}' for state in State]
    lines.append(f"    [*] --> {identifier(State.SYN_SENT)}: connect")
    lines.append(f"    [*] --> {identifier(State.SYN_RECEIVED)}: SYN")
    for state, targets in TRANSITIONS.items():
        for target, causes in targets.items():
            label = causes[0] if len(causes) == 1 else f"{len(causes)} causes"
            lines.append(f"    {identifier(state)} --> {identifier(target)}: {label}")
    return [*lines, f"    {identifier(State.CLOSED)} --> [*]", "```"]


def tables() -> list[str]:
    """Return what the states mean, and every transition with its causes."""
    lines = ["| state | means |", "| --- | --- |"]
    lines += [f"| {state.value} | {MEANINGS[state]} |" for state in State]
    lines += ["", "| from | to | because of |", "| --- | --- | --- |"]
    for state, targets in TRANSITIONS.items():
        lines += [f"| {state.value} | {target.value} | {'; '.join(causes)} |" for target, causes in targets.items()]
    return lines


def document() -> str:
    """Return the whole document."""
    return "\n".join([_HEAD, *diagram(), "", *tables(), ""])


if __name__ == "__main__":
    DOCUMENT.write_text(document())
