"""The words that people get: one function per event, pure."""

from datetime import datetime

from domain.action import Action
from domain.budget import WindowSpent
from domain.ids import IncidentId
from domain.incident import Approval
from domain.notice import DigestCounts, Notice, NoticeKind
from policy.text import some


def _notice(incident: IncidentId, step: str, kind: NoticeKind, title: str, body: str) -> Notice:
    return Notice(
        key=f"{incident}/{step}",
        kind=kind,
        title=title[:200],
        body=body[:3000],
        incident=incident,
        link=f"/incidents/{incident}",
    )


def remediated(
    incident: IncidentId, service: str, tier: int, actions: tuple[Action, ...], proof: str, *, dry_run: bool
) -> Notice:
    """A fix that our own probes confirmed."""
    done = ", ".join(f"{a.kind} {a.target}" for a in actions) or "no action"
    how = f"fixed by tier {tier}" if tier >= 3 else "remediated automatically"
    prefix = "[dry run] " if dry_run else ""
    return _notice(
        incident,
        f"remediated/{tier}",
        NoticeKind.REMEDIATED,
        f"{prefix}{service}: {how}",
        f"Done: {done}. Proof: {proof}.",
    )


def needs_person(incident: IncidentId, service: str, why: str, evidence: str, round_number: int) -> Notice:
    """No tier could repair it, or a rule forbids to go on."""
    body = f"{why}\n\nEvidence: {evidence or 'see the incident page'}"
    return _notice(
        incident, f"needs-person/{round_number}", NoticeKind.NEEDS_PERSON, f"{service} needs human attention", body
    )


def limit_refused(incident: IncidentId, action: Action, reason: str, next_slot: datetime | None) -> Notice:
    """The ledger refused an action."""
    when = f" Next slot: {next_slot.isoformat(timespec='minutes')}." if next_slot else ""
    body = f"{action.kind} {action.target} was refused: {reason}.{when} Nothing was done."
    return _notice(
        incident,
        f"refused/{action.id}",
        NoticeKind.REFUSED,
        f"{action.target}: {action.kind} refused by its limit",
        body,
    )


def approval_wanted(approval: Approval) -> Notice:
    """A person must answer one exact action."""
    action = approval.action
    body = (
        f"{action.exact} (risk {action.risk}). Why: {action.reason or 'no reason given'}\n"
        f"{approval.blast.sentence}\nUnanswered it counts as denied at {approval.expires_at.isoformat(timespec='minutes')}."
    )
    notice = _notice(
        approval.incident,
        f"approval/{approval.id}",
        NoticeKind.APPROVAL,
        f"Approve {action.kind} of {action.target}?",
        body,
    )
    return notice.model_copy(update={"link": f"/approvals/{approval.id}", "approval": approval.id})


def recovered(incident: IncidentId, service: str, proof: str) -> Notice:
    """Healthy again after a person was asked."""
    return _notice(incident, "recovered", NoticeKind.RECOVERED, f"{service} is healthy again", f"Proof: {proof}.")


def reopened(incident: IncidentId, service: str, evidence: str, round_number: int) -> Notice:
    """A fix did not last."""
    return _notice(
        incident, f"reopened/{round_number}", NoticeKind.REOPENED, f"{service} failed again after its fix", evidence
    )


def broken(incident: IncidentId, service: str, what: str, step: str) -> Notice:
    """Something of ours is broken: a credential, a runner."""
    return _notice(incident, f"broken/{step}", NoticeKind.BROKEN, f"Tiercel cannot work on {service}", what)


def bait_seen(incident: IncidentId, title: str, what: str) -> Notice:
    """A session carried a credential outside that was laid for thieves. `incident`: the one that is about this."""
    return _notice(incident, "bait", NoticeKind.NEEDS_PERSON, title, what)


def out_of_money(incident: IncidentId, service: str, tier: int, what: str) -> Notice:
    """A session may not ask the model any more."""
    title = f"{service}: budget of tier {tier} exhausted"
    return _notice(
        incident, f"budget/{tier}", NoticeKind.REFUSED, title, f"{what} The next tier goes on, if there is one."
    )


def budget_alert(window: WindowSpent) -> Notice:
    """Spending has reached the line that the owner drew. Once per day and month."""
    limit = window.limit_usd or 0.0
    share = 100 * window.usd / limit if limit else 100.0
    body = (
        f"{window.usd:.2f} of {limit:.2f} USD are spent. A session that could lead over it is not begun, and its incident"
        f" comes to you; probes go on. The {window.kind} ends at {window.until.isoformat(timespec='minutes')}."
        f" To change the limit set TIERCEL_BUDGET_{window.kind.upper()}_USD and restart."
    )
    title = f"{share:.0f} % of the {window.kind}'s budget is spent"
    key = f"budget/{window.kind}/{window.key}"
    return Notice(key=key, kind=NoticeKind.REFUSED, title=title, body=body, link="/budgets")


def outcome_unknown(incident: IncidentId, action: Action, why: str) -> Notice:
    """An action was begun and nobody can tell what became of it."""
    body = f"{action.kind} {action.target} was begun, and {why}. It will not be repeated. Please look at the service."
    title = f"{action.target}: outcome of {action.kind} is not known"
    return _notice(incident, f"unknown/{action.id}", NoticeKind.BROKEN, title, body)


def interrupted(incident: IncidentId, why: str, begun: tuple[Action, ...]) -> Notice:
    """The engine lost an escalation. What it had begun, only a person can judge now."""
    left = ", ".join(f"{a.kind} {a.target}" for a in begun)
    body = f"Incident {incident}: {why}. The next patrol looks at the service again."
    if left:
        body += f" Begun, and its outcome was never looked up: {left}. Please look at it."
    return _notice(incident, "interrupted", NoticeKind.BROKEN, "An escalation was interrupted", body)


def digest(day: str, counts: DigestCounts) -> Notice:
    """What happened in the 24 hours before, in a few lines. A quiet day says so."""
    state = f"{some(counts.services, 'service')}, {some(counts.patrols, 'patrol')}"
    money = f", {counts.cost_usd:.2f} USD" if counts.cost_usd else ""
    tokens = f"model tokens: {counts.tokens}{money}"
    waiting = counts.needs_person + counts.pending_approvals
    if not counts.patrols:
        title, first = "No patrol ran", "Nothing was watched in the last 24 hours. `tiercel doctor` says why."
    elif waiting or counts.down:
        title, first = (
            "Something needs you",
            f"{some(counts.down, 'service')} down, {some(waiting, 'thing waits', 'things wait')} for you.",
        )
    elif counts.opened:
        title, first = "All well again", "Everything is healthy now."
    else:
        title, first = "All quiet", "All quiet."
    parts = [first, f"{state}; {tokens}."]
    if counts.opened or counts.actions_done or counts.actions_refused:
        parts.append(
            f"Incidents: {counts.opened} opened, {counts.resolved} resolved, {counts.self_healed} healed by themselves."
            f" Actions: {counts.actions_done} done, {counts.actions_refused} refused."
        )
    return Notice(
        key=f"digest/{day}", kind=NoticeKind.DIGEST, title=f"{title} ({day})", body="\n".join(parts), link="/"
    )


def reported(incident: IncidentId, title: str, summary: str) -> Notice:
    """The answer to a look that a person asked for."""
    return _notice(incident, "reported", NoticeKind.DIGEST, title, summary)
