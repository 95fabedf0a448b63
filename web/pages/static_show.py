"""Static files, kept by browsers for ever: their name changes with their content."""

from starlette.requests import Request
from starlette.responses import Response

from web.errors import PageError
from web.site import site_of


async def handle(request: Request, sha8: str, name: str) -> Response:
    """GET /static/{sha8}/{name}."""
    asset = site_of(request).assets.get(name)
    if asset is None:
        raise PageError(404, "There is no such file.")
    current = asset.sha8 == sha8  # an older page may still ask for the older name: give it today's file, kept by nobody
    cache = "public, max-age=31536000, immutable" if current else "no-cache"
    return Response(asset.body, media_type=asset.media_type, headers={"cache-control": cache})
