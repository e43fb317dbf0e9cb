"""What is so on our networks, in a sentence."""

from core.frozen import frozen


@frozen
class LanState:
    """`quiet`: we have listened for a while, and our grape knows no other.

    `answering`: peers there whose grape answers ours. `silent`: those that do not, though asked several times.
    """

    installed: bool
    quiet: bool
    answering: int
    silent: int
    grape_port: int  # ours, UDP
    problem: str = ""  # why there is a network on which nobody can be found
    rule: str = ""  # the command that opens the port here


def words(state: LanState) -> str:
    """Return a sentence or two; nothing when there is nothing to say."""
    if not state.installed:
        return (
            "Other Grapevines on this network are not looked for, as the package zeroconf is not installed: "
            "pip install 'grapevine[lan]'."
        )
    if state.answering:
        return f"{_peers(state.answering)} {'is' if state.answering == 1 else 'are'} on this network."
    if state.silent:
        command = f" ({state.rule})" if state.rule else ""
        return (
            f"{_peers(state.silent)} on this network {'does' if state.silent == 1 else 'do'} not answer. "
            f"A firewall may be in the way. On this computer, allow UDP port {state.grape_port} from this network"
            f"{command}, and on the other one the port of its grape."
        )
    if state.quiet:
        return "No other Grapevine was found on this network."
    if state.problem:
        return f"Other Grapevines on this network cannot be found, as it takes no multicast ({state.problem})."
    return ""


def _peers(count: int) -> str:
    return "1 other Grapevine" if count == 1 else f"{count} other Grapevines"
