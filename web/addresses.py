"""Where a page is: its path by the name of its route."""

from typing import Any

from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.routing import Route


def know_routes(app: FastAPI) -> None:
    """Remember every route by its name. A page has some sixty links; the framework would look through all for each."""
    app.state.routes = {route.name: route for route in app.routes if isinstance(route, Route)}


def path_to(request: HTTPConnection, name: str, /, **params: Any) -> str:
    """The path of a route, with the prefix of a proxy. Raises KeyError for a name that no route has."""
    route: Route = request.app.state.routes[name]
    return str(request.scope.get("root_path", "")) + str(route.url_path_for(name, **params))
