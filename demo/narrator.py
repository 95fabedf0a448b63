"""Tells in the terminal what the record says, as it happens."""

from datetime import datetime

from rich.console import Console
from rich.text import Text

from adapters.database.reads import Reads
from adapters.database.records import TimelineRow
from demo.receiver import Received
from domain.ids import SessionId
from domain.session import OutputLine

MARKS = {
    "opened": ("●", "bold red"),
    "tier_started": ("▲", "bold cyan"),
    "tier_ended": ("▼", "cyan"),
    "action": ("⚙", "yellow"),
    "refused": ("✗", "red"),
    "approval": ("?", "bold magenta"),
    "waiting": ("⏸", "magenta"),
    "verifying": ("…", "blue"),
    "not_verified": ("✗", "red"),
    "verified": ("✓", "bold green"),
    "recheck": ("✓", "green"),
    "resolved": ("✓", "bold green"),
    "self_healed": ("✓", "green"),
    "needs_person": ("☎", "bold red"),
    "joined": ("+", "dim"),
}


class Narrator:
    """Prints every line once. Sessions' own words are indented."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()
        self._seen: dict[tuple[str, int], int] = {}

    def say(self, text: str, style: str = "") -> None:
        """A sentence of the demo itself."""
        self._console.print(Text(f"{datetime.now():%H:%M:%S}  {text}", style=style))  # noqa: DTZ005 - a wall clock for the person who watches

    def heard(self, notice: Received) -> None:
        """A message that reached the receiver."""
        self.say(f"✉ a message arrived: {notice.title}", "bold blue")

    async def follow(self, reads: Reads, incident: str) -> None:
        """Whatever is new: first the history, then what sessions printed."""
        for row in await reads.timeline(incident):
            key = f"{row.at.isoformat()}{row.kind}{row.text}"
            if key not in self._told:
                self._told.add(key)
                self._event(row)
        for session in await reads.sessions_of(incident):
            where = (session.id, session.attempt)
            lines = await reads.read_output(SessionId(session.id), session.attempt, self._seen.get(where, 0), 200)
            for line in lines:
                self._line(session.tier, line)
            if lines:
                self._seen[where] = lines[-1].seq

    def _event(self, row: TimelineRow) -> None:
        mark, style = MARKS.get(row.kind, ("·", ""))
        self._console.print(Text(f"{row.at.astimezone():%H:%M:%S}  {mark} {row.text}", style=style))

    def _line(self, tier: int, line: OutputLine) -> None:
        self._console.print(Text(f"          T{tier} │ {line.text[:160]}", style="dim"))
