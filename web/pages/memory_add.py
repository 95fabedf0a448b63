"""A memory that a person writes."""

from typing import Annotated

from fastapi import Form
from starlette.requests import Request
from starlette.responses import Response

from domain.memory import MemoryCategory
from web.pages._common import address
from web.pages._told import Undo, told
from web.pages.memory_act import as_json, wants_json
from web.services.memories import Written
from web.site import actor_of, site_of


async def handle(
    request: Request,
    text: Annotated[str, Form(max_length=4000)],
    category: Annotated[MemoryCategory, Form()],
    service: Annotated[str, Form(max_length=200)] = "",
    percent: Annotated[int, Form(ge=0, le=100)] = 90,
) -> Response:
    """POST /memories."""
    written = Written(service, category, text, percent / 100)
    said = await site_of(request).memories.add(written, actor_of(request))
    if wants_json(request):
        return as_json(said)
    undo = Undo("Undo", address(request, "memory_act", memory=said.memory, act="forget")) if said.accepted else None
    return told(request, said, address(request, "memories_list"), undo=undo)
