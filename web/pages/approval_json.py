"""Approvals for programs: the same questions, and the same answer through the same service."""

from typing import Literal

from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.incident import Approval, Change
from policy.people import password_is_old
from web.errors import PageError
from web.pages.approval_decide import harmful
from web.site import actor_of, site_of, who_of
from web.viewmodels import Question

NO_STORE = {"cache-control": "no-store"}
AGAIN = "Answer on the approval's page, which asks for the password, or log in again. A key is not asked."


class Answer(BaseModel):
    """What a program posts. `digest` is the one that it read; `change` goes with the decision `change`."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "deny", "change"]
    digest: str = Field(max_length=128)
    reason: str = Field(default="", max_length=500)
    change: Change | None = None


async def handle_show(request: Request, approval: str) -> Response:
    """GET /approvals/{approval}.json."""
    (question,) = await site_of(request).insights.questions([await _found(request, approval)])
    return JSONResponse(question_body(question), headers=NO_STORE)


async def handle_decide(request: Request, approval: str, answer: Answer) -> Response:
    """POST /approvals/{approval}/decide.json. 409 with the reason where the answer was not taken."""
    found = await _found(request, approval)
    if (answer.decision == "change") != (answer.change is not None):
        raise PageError(422, "The decision 'change' needs the field 'change', and no other decision has one.")
    who = who_of(request)
    if (
        who
        and password_is_old(who, site_of(request).now())
        and await harmful(request, found, answer.decision, answer.change)
    ):
        raise PageError(403, "This can do harm, and your last login is more than ten minutes ago.", AGAIN)
    act = await site_of(request).actions.decide(
        found,
        digest=answer.digest,
        approve=answer.decision != "deny",
        reason=answer.reason,
        actor=actor_of(request),
        how="JSON API",
        change=answer.change,
    )
    return JSONResponse(act.model_dump(mode="json"), status_code=200 if act.accepted else 409, headers=NO_STORE)


async def _found(request: Request, approval: str) -> Approval:
    found = await site_of(request).insights.approval(approval)
    if found is None:
        raise PageError(404, f"There is no approval {approval}.", "It may have been removed after the retention time.")
    return found


def question_body(question: Question) -> dict[str, object]:
    """One approval with what a person needs to answer it."""
    body: dict[str, object] = jsonable_encoder(question.approval)
    body |= {"command": question.command, "risks": list(question.risks), "model": question.model}
    return body | {"cost_usd": question.cost_usd, "choices": jsonable_encoder(question.choices)}
