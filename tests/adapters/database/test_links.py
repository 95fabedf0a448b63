"""Links in the record: a hash and no token, used once, gone after the retention time."""

from datetime import timedelta

import pytest

from adapters.database.links import LinkStore, sha256
from adapters.database.people import PeopleStore
from adapters.database.pool import Pool
from adapters.database.upkeep import UpkeepStore
from domain.links import LinkPurpose, Reader
from domain.people import Role
from tests.support.builders import NOON, approval

pytestmark = pytest.mark.postgres


async def test_a_token_opens_its_link_and_is_written_nowhere(pool: Pool):
    store, asked = LinkStore(pool), approval(expires_at=NOON + timedelta(hours=1))
    token = await store.issue(asked, "anna", LinkPurpose.ANSWER, "ch1-ntfy", NOON)
    other = await store.issue(asked, "anna", LinkPurpose.DENY, "ch1-ntfy", NOON)
    assert token != other
    found = await store.find(token)
    assert found is not None
    assert (found.approval, found.digest, found.person, found.purpose) == (asked.id, asked.digest, "anna", "answer")
    assert found.expires_at == asked.expires_at
    assert await store.by_id(found.id) == found
    async with pool.connection() as conn:
        rows = [row[0] async for row in await conn.execute("SELECT l::text FROM approval_link l")]
    assert any(sha256(token) in row for row in rows)
    assert not any(token in row or token.removeprefix("tal_")[:20] in row for row in rows)
    for wrong in (
        "",
        "tal_",
        token[:-1],
        token + "A",
        token.removeprefix("tal_"),
        f" {token}",
        sha256(token),
        found.id,
    ):
        assert await store.find(wrong) is None


async def test_a_link_is_used_once(pool: Pool):
    store = LinkStore(pool)
    token = await store.issue(approval(), "anna", LinkPurpose.ANSWER, "ch1-ntfy", NOON)
    found = await store.find(token)
    assert found is not None
    assert await store.used(found.id, NOON, "with the PIN")
    assert not await store.used(found.id, NOON, "one tap")
    again = await store.find(token)
    assert again is not None
    assert (again.used_at, again.used_how) == (NOON, "with the PIN")


async def test_links_go_with_the_retention_time(pool: Pool):
    store = LinkStore(pool)
    token = await store.issue(approval(), "anna", LinkPurpose.ANSWER, "ch1-ntfy", NOON)
    assert (await UpkeepStore(pool).prune(NOON))["approval_link"] == 0
    assert (await UpkeepStore(pool).prune(NOON + timedelta(seconds=1)))["approval_link"] == 1
    assert await store.find(token) is None


async def test_readers_are_whoever_can_come_in_and_without_login_the_owner(pool: Pool):
    people = PeopleStore(pool)
    for name, role in (("bert", Role.VIEWER), ("anna", Role.ADMIN), ("carl", Role.OPERATOR)):
        await people.add(f"usr_{name}", name, role, NOON)
    await people.disable("usr_carl", NOON)
    assert await LinkStore(pool).readers() == (
        Reader(name="anna", role=Role.ADMIN), Reader(name="bert", role=Role.VIEWER),
    )  # fmt: skip
    assert [r.name for r in await LinkStore(pool, login=False).readers()] == ["owner"]
