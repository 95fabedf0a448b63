"""The story of one incident as a file for people: written by code from the record, no model is asked."""

from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from typing import Any

from fastapi.encoders import jsonable_encoder

from domain.action import Action, TargetState
from domain.health import ProbeResult
from web.formats import absolute, count, duration, money, thousands, words
from web.markdown import block, inline, table
from web.viewmodels import IncidentView, SessionView

Time = Callable[[datetime | None], str]

PROOF = frozenset({"verified", "not_verified", "recovered", "rechecked", "reopened", "closed"})
STATE_FIELDS = ("running", "status", "identity", "started_at", "config_digest", "detail")


def as_json(view: IncidentView) -> dict[str, Any]:
    """Everything of the record about one incident, as plain data."""
    whole: dict[str, Any] = {
        "incident": view.row,
        "evidence": view.evidence,
        "latest": view.latest,
        "sessions": [s.row for s in view.sessions],
        "actions": view.actions,
        "approvals": view.approvals,
        "notices": view.notices,
        "timeline": view.timeline,
        "use": view.use,
    }
    encoded: dict[str, Any] = jsonable_encoder(whole)
    encoded["use"]["tokens"] = view.use.tokens
    return encoded


def as_markdown(view: IncidentView, now: datetime, zone: tzinfo) -> str:
    """The post-mortem. Words that came from outside are escaped."""

    def time(at: datetime | None) -> str:
        return absolute(at, zone) if at else "not yet"

    row = view.row
    parts = [
        f"# Incident: {_service(row.service)}, {words(row.state)}",
        table(("", ""), _facts(view, now, time)),
        "## Summary",
        inline(row.summary) or "No summary yet.",
        *([f"Asked: {inline(row.prompt)}"] if row.prompt else []),
        "## Impact",
        *_impact(view, now),
        "## What opened it",
        *(_probes(view.evidence, time) or ["No probe was failing; somebody asked for this look."]),
        "## Timeline",
        _list(f"{time(t.at)} **{inline(words(t.kind))}** {inline(t.text)}" for t in view.timeline)
        or "Nothing recorded.",
        "## Tiers",
        *([part for s in view.sessions for part in _session(s, time)] or ["No model was asked."]),
        "## Actions",
        *([part for a in view.actions for part in _action(a, time)] or ["Nothing was done."]),
        "## Approvals",
        _approvals(view, time) or "No approval was asked for.",
        "## Who was told",
        _notices(view, time) or "Nobody.",
        "## Proof",
        *_proof(view, time),
        "## Tokens and cost",
        *_cost(view),
        f"Written {time(now)} by Tiercel from its record; no model was asked.",
    ]
    return "\n\n".join(parts) + "\n"


def _service(service: str) -> str:
    return inline(service) if service else "a look at everything"


def _facts(view: IncidentView, now: datetime, time: Time) -> list[tuple[str, ...]]:
    row = view.row
    facts = [
        ("Incident", inline(row.id)),
        ("Opened", f"{time(row.opened_at)} by {inline(row.trigger)} {inline(row.requested_by)}".rstrip()),
        ("Closed", time(row.closed_at)),
        ("Lasted", duration(((row.closed_at or now) - row.opened_at).total_seconds())),
        ("Highest tier", str(row.tier) if row.tier else "none"),
        ("Cost", f"{money(view.use.cost_usd)}, {thousands(view.use.tokens)} tokens"),
    ]
    if row.dry_run:
        facts.append(("Dry run", "decided and recorded, nothing was performed"))
    if row.scripted:
        facts.append(("Model", "scripted; the answers do not come from Claude"))
    if bare := sorted({s.row.tier for s in view.sessions if not s.row.isolated}):
        facts.append(("Not isolated", "tier " + ", ".join(map(str, bare))))
    return [(f"**{name}**", value) for name, value in facts]


def _impact(view: IncidentView, now: datetime) -> Iterable[str]:
    row = view.row
    affected = list(dict.fromkeys(s for s in (row.service, *row.affected) if s))
    yield _list(inline(s) for s in affected) or "No service is named."
    proven = max((t.at for t in view.timeline if t.kind == "verified"), default=None)
    end = proven or row.closed_at
    lasted = duration(((end or now) - row.opened_at).total_seconds())
    if not view.evidence:
        yield "Nothing was failing when it was opened."
    elif end is None:
        yield f"Not proven healthy for {lasted} so far."
    else:
        yield f"From the first failing probe to {'the proof of recovery' if proven else 'the end'}: {lasted}."


def _probes(results: Iterable[ProbeResult], time: Time) -> list[str]:
    parts: list[str] = []
    for r in results:
        took = f"{r.latency_ms:.0f} ms"
        parts.append(
            f"- **{inline(r.probe)}** ({inline(r.kind)}) on {inline(r.service)}, {time(r.at)}, {took}: {words(r.status)}, {inline(r.summary)}"
        )
        if r.evidence:
            parts.append(block(r.evidence))
    return parts


def _session(session: SessionView, time: Time) -> Iterable[str]:
    row, report = session.row, session.report
    again = f", process {row.attempt}" if row.attempt > 1 else ""
    yield f"### Tier {row.tier}{again}: {words(row.status)}"
    took = duration((row.ended_at - row.started_at).total_seconds()) if row.ended_at else "still running"
    wall = inline(row.engine) if row.isolated else "**not isolated**"
    yield f"{inline(row.model)}, began {time(row.started_at)}, took {took}, wall: {wall}, {thousands(session.tokens)} tokens, {money(row.cost_usd)}."
    if row.message:
        yield inline(row.message)
    if report is None:
        yield "It left no report."
        return
    yield inline(report.summary)
    for finding in report.services:
        yield f"- **{inline(finding.service)}**: {words(finding.status)}, {inline(finding.cause)} ({finding.confidence} confidence)"
        if finding.evidence:
            yield block("\n".join(finding.evidence))
    if report.escalate:
        yield f"Escalated: {inline(report.escalate_reason) or 'no reason given'}"
    if report.handoff:
        yield f"Handed on: {inline(report.handoff, 8000)}"


def _action(action: Action, time: Time) -> Iterable[str]:
    yield f"### {words(action.kind).capitalize()} {inline(action.target)}: {words(action.state)}"
    ended = f", ended {time(action.finished_at)}" if action.finished_at else ""
    undo = "can be undone" if action.reversible else "cannot be undone"
    yield f"Tier {action.tier}, {action.risk} risk, {undo}, asked {time(action.requested_at)}{ended}."
    if action.reason:
        yield f"Why: {inline(action.reason)}"
    if action.message:
        yield f"Outcome: {inline(action.message)}"
    if action.before or action.after:
        rows = [
            (name.replace("_", " "), _field(action.before, name), _field(action.after, name))
            for name in STATE_FIELDS
            if _field(action.before, name) or _field(action.after, name)
        ]
        yield table(("", "before", "after"), rows)


def _field(state: TargetState | None, name: str) -> str:
    return inline(str(getattr(state, name))) if state else ""


def _approvals(view: IncidentView, time: Time) -> str:
    return _list(
        f"{words(a.action.kind)} {inline(a.action.target)}: **{words(a.state)}**"
        + (f" {time(a.decided_at)}" if a.decided_at else f", asked {time(a.requested_at)}")
        + (f" by {inline(a.decided_by)}" if a.decided_by else "")
        + (f": {inline(a.reason)}" if a.reason else "")
        for a in view.approvals
    )


def _notices(view: IncidentView, time: Time) -> str:
    return _list(
        f"{time(n.at)} {inline(n.channel)}: {inline(n.title)}, **{'delivered' if n.delivered else 'not delivered'}**"
        + (f" ({count(n.attempts, 'attempt')})" if n.attempts > 1 else "")
        + (f": {inline(n.message)}" if n.message else "")
        for n in view.notices
    )


def _proof(view: IncidentView, time: Time) -> Iterable[str]:
    entries = [t for t in view.timeline if t.kind in PROOF]
    if not any(t.kind == "verified" for t in entries):
        yield "The record holds no proof of recovery by our own probes."
    if entries:
        yield _list(f"{time(t.at)} {inline(t.text)}" for t in entries)
    if view.latest:
        yield "The same probes, newest result:"
        yield _list(f"{inline(r.probe)}, {time(r.at)}: **{words(r.status)}**, {inline(r.summary)}" for r in view.latest)


def _cost(view: IncidentView) -> Iterable[str]:
    if view.sessions:
        rows: list[tuple[str, ...]] = [
            (
                f"tier {s.row.tier}",
                inline(s.row.model),
                *(
                    thousands(n)
                    for n in (
                        s.row.input_tokens,
                        s.row.output_tokens,
                        s.row.cache_read_tokens,
                        s.row.cache_write_tokens,
                    )
                ),
                money(s.row.cost_usd),
            )
            for s in view.sessions
        ]
        yield table(("session", "model", "input", "output", "cache read", "cache written", "cost"), rows)
    use = view.use
    scripted = f", {thousands(use.scripted_calls)} of them to the scripted model" if use.scripted_calls else ""
    yield f"Counted by the gateway: {count(use.calls, 'model call')}{scripted}, {thousands(use.tokens)} tokens, {money(use.cost_usd)}."


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
