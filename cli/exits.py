"""What an exit code means. Scripts may rely on these."""

from enum import IntEnum

from domain.incident import IncidentState


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    TIMED_OUT = 3  # cancelled, or waited long enough
    BAD_END = 5  # the run that was watched ended badly
    REFUSED = 6  # by policy, cooldown or a rule
    WAITING = 7  # for an approval
    UNREACHABLE = 8  # nothing answers
    INTERRUPTED = 130


GOOD_ENDS = frozenset(
    {IncidentState.RESOLVED, IncidentState.SELF_HEALED, IncidentState.REPORTED, IncidentState.WATCHING}
)


def exit_of(state: IncidentState) -> Exit:
    """The code for an incident in this state."""
    if state in GOOD_ENDS:
        return Exit.OK
    return Exit.WAITING if state == IncidentState.WAITING else Exit.BAD_END
