"""Every address of the dashboard in one table, with what it asks of whoever comes. GET never acts."""

from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI
from starlette.responses import Response

from domain.people import Permission
from web.access import Needs
from web.pages import (
    about_show,
    approval_decide,
    approval_json,
    approval_show,
    approvals_list,
    audit_list,
    cooldowns_list,
    echo_stream,
    events_stream,
    health_show,
    incident_close,
    incident_report,
    incident_show,
    incidents_list,
    login_enter,
    login_show,
    logout,
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
    settings_show,
    settings_test,
    setup_show,
    setup_use,
    static_show,
    theme_choose,
)

ROUTES: tuple[tuple[str, Permission, str, str, Callable[..., Any]], ...] = (
    # name               permission           method  path                                              handler
    ("overview_show",    Permission.LOOK,     "GET",  "/",                                              overview_show.handle),
    ("incidents_list",   Permission.LOOK,     "GET",  "/incidents",                                     incidents_list.handle),
    ("incidents_json",   Permission.LOOK,     "GET",  "/incidents.json",                                incidents_list.handle_json),
    ("incidents_csv",    Permission.LOOK,     "GET",  "/incidents.csv",                                 incidents_list.handle_csv),
    ("incident_text",    Permission.LOOK,     "GET",  "/incidents/{incident}.md",                       incident_report.handle),
    ("incident_json",    Permission.LOOK,     "GET",  "/incidents/{incident}.json",                     incident_report.handle_json),
    ("incident_show",    Permission.LOOK,     "GET",  "/incidents/{incident}",                          incident_show.handle),
    ("incident_close",   Permission.ACT,      "POST", "/incidents/{incident}/close",                    incident_close.handle),
    ("session_lines",    Permission.LOOK,     "GET",  "/sessions/{session}/{attempt}/lines",            session_lines.handle),
    ("session_stream",   Permission.LOOK,     "GET",  "/sessions/{session}/{attempt}/stream",           session_stream.handle),
    ("session_text",     Permission.LOOK,     "GET",  "/sessions/{session}/{attempt}.txt",              session_text.handle),
    ("approvals_list",   Permission.LOOK,     "GET",  "/approvals",                                     approvals_list.handle),
    ("approvals_json",   Permission.LOOK,     "GET",  "/approvals.json",                                approval_json.handle_list),
    ("approval_json",    Permission.LOOK,     "GET",  "/approvals/{approval}.json",                     approval_json.handle_show),
    ("approval_answer",  Permission.ACT,      "POST", "/approvals/{approval}/decide.json",              approval_json.handle_decide),
    ("approval_show",    Permission.LOOK,     "GET",  "/approvals/{approval}",                          approval_show.handle),
    ("approval_decide",  Permission.ACT,      "POST", "/approvals/{approval}/decide",                   approval_decide.handle),
    ("services_list",    Permission.LOOK,     "GET",  "/services",                                      services_list.handle),
    ("services_json",    Permission.LOOK,     "GET",  "/services.json",                                 services_list.handle_json),
    ("services_csv",     Permission.LOOK,     "GET",  "/services.csv",                                  services_list.handle_csv),
    ("service_show",     Permission.LOOK,     "GET",  "/services/{node}/{name}",                        service_show.handle),
    ("service_note",     Permission.ACT,      "POST", "/services/{node}/{name}/{kind}",                 service_note.handle),
    ("cooldowns_list",   Permission.LOOK,     "GET",  "/cooldowns",                                     cooldowns_list.handle),
    ("cooldowns_json",   Permission.LOOK,     "GET",  "/cooldowns.json",                                cooldowns_list.handle_json),
    ("cooldowns_csv",    Permission.LOOK,     "GET",  "/cooldowns.csv",                                 cooldowns_list.handle_csv),
    ("schedules_list",   Permission.LOOK,     "GET",  "/schedules",                                     schedules_list.handle),
    ("schedules_json",   Permission.LOOK,     "GET",  "/schedules.json",                                schedules_list.handle_json),
    ("schedules_csv",    Permission.LOOK,     "GET",  "/schedules.csv",                                 schedules_list.handle_csv),
    ("schedule_plan",    Permission.LOOK,     "GET",  "/schedules/{schedule}/backfill",                 schedule_backfill.handle),
    ("schedule_fill",    Permission.ACT,      "POST", "/schedules/{schedule}/backfill",                 schedule_backfill.handle_start),
    ("schedule_act",     Permission.ACT,      "POST", "/schedules/{schedule}/{act}",                    schedule_act.handle),
    ("audit_list",       Permission.LOOK,     "GET",  "/audit",                                         audit_list.handle),
    ("audit_json",       Permission.LOOK,     "GET",  "/audit.json",                                    audit_list.handle_json),
    ("audit_csv",        Permission.LOOK,     "GET",  "/audit.csv",                                     audit_list.handle_csv),
    ("settings_show",    Permission.LOOK,     "GET",  "/settings",                                      settings_show.handle),
    ("settings_json",    Permission.LOOK,     "GET",  "/settings.json",                                 settings_show.handle_json),
    ("settings_csv",     Permission.LOOK,     "GET",  "/settings.csv",                                  settings_show.handle_csv),
    ("settings_env",     Permission.LOOK,     "GET",  "/settings.env",                                  settings_show.handle_env),
    ("settings_test",    Permission.MANAGE,   "POST", "/settings/{part}/test",                          settings_test.handle),
    ("echo_stream",      Permission.OPEN,     "GET",  "/echo/{name}",                                   echo_stream.handle),
    ("audit_lines",      Permission.LOOK,     "GET",  "/audit.jsonl",                                   audit_list.handle_lines),
    ("run_new",          Permission.ACT,      "GET",  "/runs/new",                                      run_new.handle),
    ("run_start",        Permission.ACT,      "POST", "/runs",                                          run_start.handle),
    ("events_stream",    Permission.LOOK,     "GET",  "/events",                                        events_stream.handle),
    ("preferences_save", Permission.OPEN,     "POST", "/preferences",                                   preferences_save.handle),
    ("theme_choose",     Permission.OPEN,     "POST", "/theme",                                         theme_choose.handle),
    ("about_show",       Permission.LOOK,     "GET",  "/about",                                         about_show.handle),
    ("health_show",      Permission.OPEN,     "GET",  "/healthz",                                       health_show.handle),
    ("static_show",      Permission.OPEN,     "GET",  "/static/{sha8}/{name}",                          static_show.handle),
    ("login_show",       Permission.OPEN,     "GET",  "/login",                                         login_show.handle),
    ("login_enter",      Permission.OPEN,     "POST", "/login",                                         login_enter.handle),
    ("logout",           Permission.OWN,      "POST", "/logout",                                        logout.handle),
    ("setup_show",       Permission.OPEN,     "GET",  "/setup",                                         setup_show.handle),
    ("setup_use",        Permission.OPEN,     "POST", "/setup",                                         setup_use.handle),
)  # fmt: skip


def add_routes(app: FastAPI) -> None:
    """Register the table. A GET answers HEAD as well."""
    for name, permission, method, path, handler in ROUTES:
        methods = [method, "HEAD"] if method == "GET" else [method]
        app.add_api_route(
            path,
            handler,
            methods=methods,
            name=name,
            response_class=Response,
            response_model=None,
            dependencies=[Depends(Needs(permission))],
        )
