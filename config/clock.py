"""The only clock outside Temporal."""

from datetime import UTC, datetime


class SystemClock:
    """Implements domain.ports.Clock."""

    def now(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)
