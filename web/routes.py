"""Every address of the dashboard in one table. GET never acts."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from web.pages import (
    about_show,
    approval_decide,
    approval_show,
    approvals_list,
    audit_list,
    cooldowns_list,
    events_stream,
    health_show,
    incident_close,
    incident_report,
    incident_show,
    incidents_list,
    overview_show,
    preferences_save,
    run_new,
    run_start,
    schedule_act,
    schedule_backfill,
    schedules_list,
    service_note,
    service_show,
    services_list,
    session_lines,
    session_stream,
    session_text,
    static_show,
    theme_choose,
)

ROUTES: tuple[tuple[str, str, str, Callable[..., Any]], ...] = (
    # name              method  path                                              handler
    ("overview_show",   "GET",  "/",                                              overview_show.handle),
    ("incidents_list",  "GET",  "/incidents",                                     incidents_list.handle),
    ("incidents_json",  "GET",  "/incidents.json",                                incidents_list.handle_json),
    ("incidents_csv",   "GET",  "/incidents.csv",                                 incidents_list.handle_csv),
    ("incident_text",   "GET",  "/incidents/{incident}.md",                       incident_report.handle),
    ("incident_json",   "GET",  "/incidents/{incident}.json",                     incident_report.handle_json),
    ("incident_show",   "GET",  "/incidents/{incident}",                          incident_show.handle),
    ("incident_close",  "POST", "/incidents/{incident}/close",                    incident_close.handle),
    ("session_lines",   "GET",  "/sessions/{session}/{attempt}/lines",            session_lines.handle),
    ("session_stream",  "GET",  "/sessions/{session}/{attempt}/stream",           session_stream.handle),
    ("session_text",    "GET",  "/sessions/{session}/{attempt}.txt",              session_text.handle),
    ("approvals_list",  "GET",  "/approvals",                                     approvals_list.handle),
    ("approval_show",   "GET",  "/approvals/{approval}",                          approval_show.handle),
    ("approval_decide", "POST", "/approvals/{approval}/decide",                   approval_decide.handle),
    ("services_list",   "GET",  "/services",                                      services_list.handle),
    ("service_show",    "GET",  "/services/{node}/{name}",                        service_show.handle),
    ("service_note",    "POST", "/services/{node}/{name}/{kind}",                 service_note.handle),
    ("cooldowns_list",  "GET",  "/cooldowns",                                     cooldowns_list.handle),
    ("schedules_list",  "GET",  "/schedules",                                     schedules_list.handle),
    ("schedules_json",  "GET",  "/schedules.json",                                schedules_list.handle_json),
    ("schedules_csv",   "GET",  "/schedules.csv",                                 schedules_list.handle_csv),
    ("schedule_plan",   "GET",  "/schedules/{schedule}/backfill",                 schedule_backfill.handle),
    ("schedule_fill",   "POST", "/schedules/{schedule}/backfill",                 schedule_backfill.handle_start),
    ("schedule_act",    "POST", "/schedules/{schedule}/{act}",                    schedule_act.handle),
    ("audit_list",      "GET",  "/audit",                                         audit_list.handle),
    ("audit_json",      "GET",  "/audit.json",                                    audit_list.handle_json),
    ("audit_csv",       "GET",  "/audit.csv",                                     audit_list.handle_csv),
    ("run_new",         "GET",  "/runs/new",                                      run_new.handle),
    ("run_start",       "POST", "/runs",                                          run_start.handle),
    ("events_stream",   "GET",  "/events",                                        events_stream.handle),
    ("preferences_save", "POST", "/preferences",                                  preferences_save.handle),
    ("theme_choose",    "POST", "/theme",                                         theme_choose.handle),
    ("about_show",      "GET",  "/about",                                         about_show.handle),
    ("health_show",     "GET",  "/healthz",                                       health_show.handle),
    ("static_show",     "GET",  "/static/{sha8}/{name}",                          static_show.handle),
)  # fmt: skip


def add_routes(app: FastAPI) -> None:
    """Register the table. A GET answers HEAD as well."""
    for name, method, path, handler in ROUTES:
        methods = [method, "HEAD"] if method == "GET" else [method]
        app.add_api_route(path, handler, methods=methods, name=name, response_class=Response, response_model=None)
