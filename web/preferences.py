"""What a browser chose for itself: colours, time zone, how logs look, keyboard shortcuts. Kept in its cookies only."""

from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

A_YEAR = 365 * 24 * 3600
THEMES = ("auto", "light", "dark")
ZONES = ("server", "utc", "browser")
LOG_LOOKS = ("wrap", "newest", "stamps")


@dataclass(frozen=True)
class Preferences:
    """As the cookies say; whatever is not understood is the default."""

    theme: str = "auto"
    zone: str = "server"
    browser_zone: str = ""  # IANA name, only with zone "browser"
    log: frozenset[str] = frozenset({"wrap"})
    keys: bool = True

    def time_zone(self, server: tzinfo) -> tzinfo:
        """The zone in which times are shown; `server` is the one of the settings."""
        if self.zone == "utc":
            return UTC
        return (known_zone(self.browser_zone) or server) if self.zone == "browser" else server


def known_zone(name: str) -> tzinfo | None:
    """A zone by its IANA name; None where it is unknown here, or no name at all."""
    if not name or len(name) > 64 or name.startswith(("/", ".")):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def preferences_of(request: Request) -> Preferences:
    """Read the cookies."""
    theme, zone = request.cookies.get("theme", "auto"), request.cookies.get("zone", "server")
    choice, _, name = zone.partition(":")
    log = request.cookies.get("log")
    return Preferences(
        theme=theme if theme in THEMES else "auto",
        zone=choice if choice in ZONES else "server",
        browser_zone=name,
        log=frozenset({"wrap"}) if log is None else frozenset(log.split("-")) & frozenset(LOG_LOOKS),
        keys=request.cookies.get("keys") != "off",
    )


def export_zone(request: Request, server: tzinfo) -> tzinfo:
    """The zone of times in a download: the one that this browser chose, UTC for programs and until it chose one."""
    return preferences_of(request).time_zone(server) if "zone" in request.cookies else UTC


def remember(request: Request, response: Response, name: str, value: str, *, secure: bool) -> None:
    """Set a cookie for a year, under the prefix of a proxy."""
    path = str(request.scope.get("root_path", "")) or "/"
    response.set_cookie(name, value, max_age=A_YEAR, samesite="lax", httponly=True, secure=secure, path=path)
