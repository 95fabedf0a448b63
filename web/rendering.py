"""From view models to HTML: one environment, one way to make a page or the part of it that changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from domain.people import Permission, Who
from policy.people import refusal
from web import formats
from web.addresses import path_to
from web.assets import Asset
from web.preferences import preferences_of

TEMPLATES = Path(__file__).parent / "templates"


def make_environment(assets: Mapping[str, Asset], root_path: str) -> Environment:
    """Escapes whatever the file is called, and an unknown name is an error, not an empty string."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def asset(name: str) -> str:
        return f"{root_path}/static/{assets[name].sha8}/{name}"

    words: dict[str, Any] = {
        "asset": asset,
        "badge": formats.badge,
        "words": formats.words,
        "breakable": formats.breakable,
        "count": formats.count,
        "tone": formats.tone,
        "mark": formats.mark,
        "how": formats.how,
    }
    env.globals.update(words)
    env.filters.update(duration=formats.duration, thousands=formats.thousands, money=formats.money)
    words["ui"] = env.get_template("_ui.html").module
    words["lists"] = env.get_template("_list.html").module
    words["uptime"] = env.get_template("_uptime.html").module
    words["mem"] = env.get_template("_memory.html").module
    env.globals.update(words)
    return env


@dataclass(frozen=True)
class Chrome:
    """What every page shows around its content."""

    scripted: bool
    dry_run: bool
    version: str
    login: bool = True  # off: every page says that nobody has to log in


class Renderer:
    """Makes pages. A request by htmx for `#name` gets the block `name` of the same template and context."""

    def __init__(self, env: Environment, chrome: Chrome, zone: tzinfo, now: Callable[[], datetime]) -> None:
        self._env = env
        self._chrome = chrome
        self.zone = zone  # of the settings; a browser may have chosen another
        self._now = now

    def page(self, request: Request, template: str, context: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        """The whole page, or the block that htmx asked for."""
        block = wanted_block(request)
        name = self._env.get_template(template)
        full = self._context(request, context)
        if block in name.blocks:
            html = "".join(name.blocks[block](name.new_context(full)))
        else:
            html = name.render(full)
        headers = {"cache-control": "no-store", "vary": "HX-Request, HX-Target"}
        return HTMLResponse(html, status_code=status, headers=headers)

    def fragment(self, request: Request, template: str, context: Mapping[str, Any]) -> str:
        """One template as text, for streams and parts."""
        return self._env.get_template(template).render(self._context(request, context))

    def _context(self, request: Request, context: Mapping[str, Any]) -> dict[str, Any]:
        now = self._now()
        prefs = preferences_of(request)
        zone = prefs.time_zone(self.zone)

        def url(name: str, /, **params: Any) -> str:
            return path_to(request, name, **params)

        def time(at: datetime | None, mode: str = "relative") -> Any:
            return formats.time_element(at, now, zone, mode)

        def may(permission: str) -> bool:
            return who is not None and not refusal(who, Permission(permission))

        who: Who | None = getattr(request.state, "who", None)
        here = str(request.scope["path"]) + (f"?{request.url.query}" if request.url.query else "")
        return {
            "chrome": self._chrome,
            "now": now,
            "url": url,
            "time": time,
            "here": here,
            "prefs": prefs,
            "zone_name": str(self.zone),
            "shown_zone": "utc" if prefs.zone == "server" and str(self.zone) == "UTC" else prefs.zone,
            "theme": prefs.theme,
            "who": who,
            "may": may,
            "request_id": request.scope.get("state", {}).get("request_id", ""),
            "topics": "",
            "waiting": 0,
            "count_of_changes": request.scope.get("state", {}).get("count_of_changes", 0),
            **context,
        }


def wanted_block(request: Request) -> str:
    """The block that belongs to the element htmx will swap: `div#live` asks for `live`."""
    if request.headers.get("hx-request") != "true":
        return ""
    return request.headers.get("hx-target", "").partition("#")[2].replace("-", "_")
