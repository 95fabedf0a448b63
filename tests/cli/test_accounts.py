"""Accounts and keys from the command line: whoever runs Tiercel lets people in, and the audit has their name."""

import os

from cli.context import who_runs
from cli.exits import Exit
from tests.support.commands import Shell


async def test_an_account_is_made_changed_and_ended_by_whoever_runs_it(
    pool: object, database_url: str, tmp_path: object
):
    shell = Shell(
        {"DATABASE_URL": database_url, "TIERCEL_HOME": str(tmp_path), "TIERCEL_PUBLIC_URL": "http://nas.lan/ops"}
    )
    assert "tiercel user code" in (await shell("user", "list")).err
    first, second = [await shell("user", "code", "-o", "json") for _ in range(2)]
    assert first.json["link"].startswith("http://nas.lan/ops/setup?code=")
    assert first.json != second.json
    added = await shell("user", "add", "Alice", "--role", "operator")
    assert added.code == Exit.OK
    assert "http://nas.lan/ops/setup?code=" in added.out
    assert (await shell("user", "add", "alice")).code == Exit.REFUSED
    assert (await shell("user", "role", "alice", "admin")).code == Exit.OK
    assert (await shell("user", "disable", "alice")).code == Exit.OK
    listed = await shell("user", "list", "-o", "json")
    assert [(p["name"], p["role"], p["joined"]) for p in listed.json] == [("alice", "admin", False)]
    assert (await shell("user", "disable", "alice", "--undo")).code == Exit.OK
    assert "setup?code=" in (await shell("user", "reset", "alice")).out
    nobody = await shell("user", "reset", "bob")
    assert (nobody.code, "no user bob" in nobody.out) == (Exit.REFUSED, True)

    pin = "271828"
    assert (await shell("user", "pin", "alice", typed=f"{pin}\n")).code == Exit.OK
    weak = await shell("user", "pin", "alice", typed="123456\n")
    assert (weak.code, "first PINs" in weak.out) == (Exit.REFUSED, True)
    assert (await shell("user", "pin", "alice")).code == Exit.USAGE
    assert (await shell("user", "list", "-o", "json")).json[0]["has_pin"] is True
    assert (await shell("user", "pin", "alice", "--remove")).code == Exit.OK
    assert (await shell("user", "sign-out", "alice")).code == Exit.REFUSED  # she is logged in nowhere

    made = await shell("key", "create", "backup", "--user", "alice", "--days", "30", "-o", "json")
    whole = made.json["secret"]
    keys = await shell("key", "list", "-o", "json")
    assert [(k["name"], k["scopes"], k["uses"]) for k in keys.json] == [("backup", ["read"], 0)]
    assert whole.startswith(keys.json[0]["id"] + "_")
    assert whole not in (await shell("key", "list")).out + keys.out
    assert (await shell("key", "revoke", keys.json[0]["id"])).code == Exit.OK
    assert (await shell("key", "revoke", keys.json[0]["id"])).code == Exit.REFUSED
    assert "revoked" in (await shell("key", "list")).out

    from adapters.database.reads import Reads

    audit = (await Reads(pool).audit()).rows  # type: ignore[arg-type]
    assert {(a.actor_kind, a.actor) for a in audit} == {("cli", who_runs())}
    assert {
        "setup.code_made", "user.added", "user.role_changed", "user.disabled", "user.enabled", "user.reset_offered",
        "pin.set", "pin.removed", "key.added", "key.revoked",
    } == {a.action for a in audit}  # fmt: skip
    codes = [first.json["link"][-23:], second.json["link"][-23:], whole, pin]
    assert not any(code in str(audit) for code in codes)


def test_behind_sudo_it_is_the_person_who_called_it(monkeypatch):  # type: ignore[no-untyped-def]
    monkeypatch.setitem(os.environ, "SUDO_USER", "alice")
    assert who_runs() == "alice"
