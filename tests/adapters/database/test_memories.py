"""Memories in the record: once per session, surer by incident, fading as the policy says, bounded."""

import asyncio
import random
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from adapters.database.memories import MemoryFilter, MemoryStore, NoRoomError, Writer
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from domain.ids import IncidentId, SessionId
from domain.memory import Learned, Memory, MemoryCategory, MemoryRule
from policy.memories import confidence_at
from tests.support.record import APP, at

RULE = MemoryRule(per_service=5, in_all=8, quoted=3)
ADA = Writer("user", "ada")
DAY = 86_400


@pytest_asyncio.fixture
async def store(pool: Pool) -> MemoryStore:
    return MemoryStore(pool, RULE)


def said(text: str = "slow at night", **changes: Any) -> Learned:
    fields = {"service": APP, "category": "timing", "text": text, "confidence": 0.8, **changes}
    return Learned.model_validate(fields)


async def learn(store: MemoryStore, n: int, *stated: Learned, when: datetime | None = None, incident: int = 0) -> int:
    return await store.learn(SessionId(f"s{n}"), IncidentId(f"i{incident or n}"), stated, (), when or at(n))


async def every(store: MemoryStore, when: datetime | None = None, **which: Any) -> tuple[Memory, ...]:
    return (await store.list(MemoryFilter(**which), when or at(0))).rows


async def test_a_session_that_is_read_again_leaves_no_double(store: MemoryStore, pool: Pool):
    assert await learn(store, 1, said()) == 1
    assert await learn(store, 1, said()) == 0
    (kept,) = await every(store)
    assert (kept.text, kept.confidence, kept.times, kept.session) == ("slow at night", 0.8, 1, "s1")
    assert kept.incident == ""  # the record has none of that name: nothing to link to
    assert (await store.recall([APP], at(2)))[0].incident == "i1"
    assert [a.action for a in (await Reads(pool).audit()).rows] == ["memory.learned"]


async def test_another_incident_strengthens_it_and_the_tiers_of_one_do_not(store: MemoryStore, pool: Pool):
    await learn(store, 1, said())
    assert await learn(store, 2, said("Slow at night!"), incident=1) == 0
    assert await store.recall([APP], at(2), "i1") == (), "its own reports tell it"
    assert len(await store.recall([APP], at(2), "i2")) == 1
    assert await learn(store, 3, said("SLOW, at night", confidence=0.5)) == 1
    assert await learn(store, 3, said("SLOW, at night", confidence=0.5)) == 0
    assert len(await store.recall([APP], at(4), "i1")) == 1
    (kept,) = await every(store)
    assert (kept.confidence, kept.times, kept.session) == (pytest.approx(0.85, abs=1e-3), 2, "s3")
    assert {s.session for s in await store.sources(kept.id)} == {"s1", "s2", "s3"}
    assert {a.action for a in (await Reads(pool).audit()).rows} == {"memory.learned", "memory.strengthened"}


async def test_what_a_person_forgot_is_not_brought_back_by_a_session(store: MemoryStore):
    await learn(store, 1, said())
    (kept,) = await every(store)
    assert await store.forget(kept, at(5), "k1", ADA)
    assert not await store.forget(kept, at(5), "k2", ADA)
    assert await learn(store, 7, said()) == 0
    assert await every(store) == ()
    assert await store.recall([APP], at(9)) == ()
    assert (await every(store, forgotten=True))[0].forgotten_by == "ada"
    assert await store.restore(kept, at(10), "k3", ADA)
    assert [m.id for m in await every(store)] == [kept.id]


async def test_the_record_reckons_as_the_policy_does(store: MemoryStore):
    draw = random.Random(7)
    rule = RULE.model_copy(update={"per_service": 99, "in_all": 99})
    store = MemoryStore(store._pool, rule)
    for n in range(30):
        seen = at(-draw.uniform(0, 100) * DAY)
        await learn(store, n, said(f"fact {n}", confidence=draw.uniform(0.9, 1.0)), when=seen)
    memories = await every(store)
    assert len(memories) > 10
    for least in (0.1, 0.3, 0.6):
        sure = {m.id for m in memories if confidence_at(m, at(0), rule) >= least}
        assert {m.id for m in await every(store, least=least)} == sure
    ranked = sorted(memories, key=lambda m: -confidence_at(m, at(0), rule))
    assert [m.id for m in await store.recall([APP], at(0))] == [m.id for m in ranked[: rule.quoted]]
    assert await store.weed(at(0)) == sum(confidence_at(m, at(0), rule) < rule.forget_below for m in memories)
    assert await store.weed(at(10_000 * DAY)) > 0
    assert await every(store) == ()


async def test_there_are_never_more_than_the_rule_allows_and_the_weakest_go(store: MemoryStore):
    for n in range(9):
        await learn(store, n, said(f"fact {n}", confidence=0.5 + n / 50), when=at(0))
    assert {m.text for m in await every(store)} == {f"fact {n}" for n in range(4, 9)}
    for n in range(10, 16):
        await learn(store, n, said(f"fact {n}", service=f"local/x{n}", confidence=0.9), when=at(0))
    assert len(await every(store)) == RULE.in_all


async def test_what_a_person_wrote_is_not_pushed_out_by_reports_that_are_sure_of_everything(store: MemoryStore):
    await learn(store, 1, said("the disk is old", confidence=0.4))
    (known,) = await every(store)
    mine = known.model_copy(update={"id": "mem_2", "text": "the backup runs at three", "author": "ada", "session": ""})
    assert await store.add(mine, "k1", ADA) is None
    for n in range(2, 6):
        await learn(store, n, *(said(f"lie {n}.{i}", confidence=1.0) for i in range(5)))
        await learn(store, n + 10, *(said(f"lie {n}.{i}", confidence=1.0, service=f"local/x{n}") for i in range(5)))
    kept = {m.text for m in await every(store, service=APP)}
    assert mine.text in kept
    assert "the disk is old" not in kept


async def test_whoever_writes_one_that_would_be_the_first_to_go_is_told_so(store: MemoryStore, pool: Pool):
    await learn(store, 1, said())
    (pattern,) = await every(store)
    own = {"author": "ada", "session": "", "confidence": 0.9}
    for n in range(RULE.per_service):
        mine = pattern.model_copy(update={**own, "id": f"mem_{n}", "text": f"fact {n}"})
        assert await store.add(mine, f"k{n}", ADA) is None
    before = (await Reads(pool).audit()).rows
    weak = pattern.model_copy(update={**own, "id": "mem_weak", "text": "perhaps", "confidence": 0.4})
    with pytest.raises(NoRoomError, match="all of them are surer"):
        await store.add(weak, "k", ADA)
    assert len(await every(store, service=APP)) == RULE.per_service
    assert (await Reads(pool).audit()).rows == before, "what is not kept was not added"


async def test_a_pin_keeps_what_it_is_worth_and_what_is_pinned_goes_last(store: MemoryStore):
    await learn(store, 1, said("weak", confidence=0.4), when=at(0))
    (weak,) = await every(store)
    later = at(15 * DAY)
    assert await store.pin(weak, later, "k1", ADA, on=True)
    assert not await store.pin(weak, later, "k2", ADA, on=True)
    (pinned,) = await every(store, pinned=True)
    assert pinned.confidence == pytest.approx(0.4 * 0.5**0.5)
    for n in range(2, 9):
        await learn(store, n, said(f"fact {n}", confidence=0.9), when=later)
    assert "weak" in {m.text for m in await every(store)}
    await store.weed(at(500 * DAY))
    assert [m.text for m in await every(store)] == ["weak"]
    assert await store.pinned(APP) == 1
    assert await store.pin(weak, at(500 * DAY), "k3", ADA, on=False)
    await store.weed(at(560 * DAY))
    assert await every(store) == ()


async def test_people_add_and_change_but_never_make_a_double(store: MemoryStore, pool: Pool):
    await learn(store, 1, said())
    (known,) = await every(store)
    new = known.model_copy(update={"id": "mem_2", "text": "SLOW AT NIGHT", "author": "ada", "session": ""})
    assert (await store.add(new, "k1", ADA) or new).id == known.id
    other = new.model_copy(update={"text": "backup at three"})
    assert await store.add(other, "k2", ADA) is None
    assert await store.add(other, "k2", ADA) is None
    clash = await store.change(other, other.model_copy(update={"text": "slow at night?"}), "k3", ADA)
    assert clash is not None
    assert clash.id == known.id
    assert await store.change(other, other.model_copy(update={"text": "backup at four"}), "k4", ADA) is None
    assert {m.text for m in await every(store)} == {"slow at night", "backup at four"}
    words = [(a.action, a.actor) for a in (await Reads(pool).audit()).rows]
    assert sorted(words) == [("memory.added", "ada"), ("memory.changed", "ada"), ("memory.learned", "s1")]


async def test_the_list_is_filtered_and_paged(store: MemoryStore):
    for n in range(4):
        await learn(store, n, said(f"fact {n} of <b>"), when=at(n))
    await learn(store, 9, said("General", service="", category=MemoryCategory.REMEDY), when=at(9))
    assert [m.text for m in await every(store, service="")] == ["General"]
    assert [m.text for m in await every(store, category="remedy")] == ["General"]
    assert [m.text for m in await every(store, text="2 of <b")] == ["fact 2 of <b>"]
    assert await store.services() == (APP,)
    first = await store.list(MemoryFilter(service=APP), at(9), limit=3)
    rest = await store.list(MemoryFilter(service=APP), at(9), first.next, limit=3)
    assert [m.text[5] for m in (*first.rows, *rest.rows)] == ["3", "2", "1", "0"]
    assert rest.next == ""


async def test_sessions_that_learn_the_same_at_the_same_moment_make_one_memory(store: MemoryStore):
    sure = await asyncio.gather(*(learn(store, n, said(), when=at(0)) for n in range(6)))
    assert sum(sure) == 6
    (kept,) = await every(store)
    assert kept.times == 6
    assert kept.confidence <= 1
