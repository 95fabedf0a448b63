"""Change, forget, restore, pin or unpin one memory. Nothing here is lost: each has its way back."""

from typing import Annotated, Literal

from fastapi import Form
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.memory import MemoryCategory, Recalled
from web.errors import PageError
from web.pages._common import address
from web.pages._told import Undo, told
from web.services.answers import Actor
from web.services.memories import MemoryBook, Noted, Written
from web.site import actor_of, site_of

BACK = {"forget": "restore", "restore": "forget", "pin": "unpin", "unpin": "pin"}


async def handle(
    request: Request,
    memory: str,
    act: Literal["change", "forget", "restore", "pin", "unpin"],
    text: Annotated[str, Form(max_length=4000)] = "",
    category: Annotated[MemoryCategory | None, Form()] = None,
    service: Annotated[str, Form(max_length=200)] = "",
    percent: Annotated[int, Form(ge=0, le=100)] = 90,
) -> Response:
    """POST /memories/{memory}/{act}."""
    book, actor = site_of(request).memories, actor_of(request)
    back = address(request, "memory_show", memory=memory)
    if act != "change":
        said = await _act(book, memory, act, actor)
        if wants_json(request):
            return as_json(said)
        return told(request, said, back, undo=Undo("Undo", _at(request, memory, BACK[act])))
    if category is None:
        raise PageError(422, "It is not said what kind of memory it is.", "Use the form of the page.")
    before = await book.one(memory)
    said = await book.change(memory, Written(service, category, text, percent / 100), actor)
    if wants_json(request):
        return as_json(said)
    undo = Undo("Undo", _at(request, memory, "change"), _fields(before.one)) if before else None
    return told(request, said, back, undo=undo)


def wants_json(request: Request) -> bool:
    """A program asks, not a page."""
    return "application/json" in request.headers.get("accept", "")


def as_json(said: Noted) -> Response:
    """What came of it; 409 where it was not done."""
    body = {"accepted": said.accepted, "message": said.message, "memory": said.memory}
    return JSONResponse(body, 200 if said.accepted else 409, {"cache-control": "no-store"})


async def _act(book: MemoryBook, memory: str, act: str, actor: Actor) -> Noted:
    match act:
        case "forget":
            return await book.forget(memory, actor)
        case "restore":
            return await book.restore(memory, actor)
        case "pin":
            return await book.pin(memory, actor)
        case _:
            return await book.unpin(memory, actor)


def _at(request: Request, memory: str, act: str) -> str:
    return address(request, "memory_act", memory=memory, act=act)


def _fields(one: Recalled) -> tuple[tuple[str, str], ...]:
    m, percent = one.memory, str(round(one.confidence * 100))
    return ("text", m.text), ("category", str(m.category)), ("service", m.service), ("percent", percent)
