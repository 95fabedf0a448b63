"""Memories from the command line."""

from pathlib import Path

from adapters.database.pool import Pool
from cli.context import who_runs
from cli.exits import Exit
from cli.memories import PAGE
from tests.support.commands import Shell


async def test_a_memory_is_written_listed_forgotten_and_restored(pool: object, database_url: str, tmp_path: object):
    shell = Shell({"DATABASE_URL": database_url, "TIERCEL_HOME": str(tmp_path)})
    assert "Nothing is remembered." in (await shell("memory", "list")).err
    words = "The dump at 03:00\x1b[31m slows every query."
    added = await shell("memory", "add", words, "--kind", "timing", "--sure", "80", "-o", "json")
    assert (added.code, added.json["accepted"]) == (Exit.OK, True)
    id_ = added.json["memory"]
    assert (await shell("memory", "add", words, "--kind", "timing")).code == Exit.REFUSED
    assert (await shell("memory", "add", "x", "--kind", "timing", "--service", "nobody")).code == Exit.REFUSED
    (row,) = (await shell("memory", "list", "-o", "json")).json
    assert (row["id"], row["confidence"], row["author"]) == (id_, 0.8, who_runs())
    assert "80%" in (await shell("memory", "list", "--kind", "timing", "--text", "DUMP")).out
    assert (await shell("memory", "forget", id_)).code == Exit.OK
    assert (await shell("memory", "forget", id_)).code == Exit.REFUSED
    assert [m["id"] for m in (await shell("memory", "list", "--forgotten", "-o", "json")).json] == [id_]
    assert (await shell("memory", "restore", id_)).code == Exit.OK
    assert (await shell("memory", "list", "--service", "nobody", "-o", "json")).json == []


async def test_the_list_has_all_of_them(pool: Pool, database_url: str, tmp_path: Path):
    many = PAGE * 2 + 1
    async with pool.connection() as conn:
        await conn.execute(
            "INSERT INTO memory (id, service, category, text, same, confidence, author, created_at, seen_at)"
            " SELECT 'mem_' || n, '', 'place', 'm ' || n, 'm ' || n, 1, 'ada', now(), now() FROM generate_series(1, %s) AS n",
            (many,),
        )
    shell = Shell({"DATABASE_URL": database_url, "TIERCEL_HOME": str(tmp_path)})
    listed = (await shell("memory", "list", "-o", "jsonl")).jsonl
    assert len({m["id"] for m in listed}) == len(listed) == many
    said = await shell("memory", "list", "--service", "nobdoy")
    assert said.code == Exit.OK
    assert "'nobdoy'; `tiercel services` lists the names" in said.err
