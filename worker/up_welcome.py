"""What the terminal says last, once everything runs: where to go, what to do next, how to stop."""

from config.settings import Settings
from domain.people import OFFER


class Offer:
    """The link to the first account, as the dashboard said it. Empty where somebody has an account already."""

    def __init__(self) -> None:
        self.link = ""

    def hear(self, line: str) -> str:
        """Take the link out of the dashboard's lines; every line is passed on as it is."""
        _, found, link = line.partition(OFFER)
        if found:
            self.link = link.strip()
        return line


def lines(settings: Settings, link: str) -> tuple[str, ...]:
    """The last lines of the start. `link` is the one to the first account, "" where nobody needs it."""
    stop = "Ctrl-C. Work that is running goes on after the next start"
    if settings.gateway_url:
        return _only_sessions(settings, stop)
    if settings.log_json:
        fields = {"dashboard": f"{settings.people_url}/", "first account": link, "next": next_step(settings, link)}
        return tuple(f"{name}: {text}" for name, text in fields.items() if text)
    account = (f"  Account    Nobody has one yet. Open this link once: {link}",) if link else ()
    return (
        "",
        f"  Dashboard  {settings.people_url}/",
        *account,
        f"  Next       {next_step(settings, link)}",
        f"  Stop       {stop}",
        "",
    )


def _only_sessions(settings: Settings, stop: str) -> tuple[str, ...]:
    """On a machine that only runs sessions: the dashboard is elsewhere."""
    where = f"this machine runs up to {settings.max_sessions} for the gateway at {settings.gateway_url}"
    if settings.log_json:
        return (f"sessions: {where}",)
    return "", f"  Sessions   {where}", f"  Stop       {stop}", ""


def next_step(settings: Settings, link: str) -> str:
    """The one thing that brings a new owner on. The rest is in `tiercel doctor`."""
    if link:
        return "Make your account with the link above. Then `tiercel doctor` says what is missing"
    if not settings.repos_dir.is_dir():
        return "Say what there is: set TIERCEL_REPOS_DIR to the folder of your repositories (docs/manifest.md)"
    if not settings.credential_kind and not settings.scripted:
        return "Bring a credential: set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN. Until then probes run alone"
    if settings.dry_run:
        return "Look at what it would do. Nothing is performed until TIERCEL_DRY_RUN=false"
    return "Nothing. `tiercel doctor` says if something is missing"
