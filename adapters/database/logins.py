"""Sessions of people, known browsers, keys, and what failed attempts count. Secrets come as hashes."""

from collections.abc import Sequence
from datetime import datetime

from adapters.database.pool import Connection, Pool, execute, first, query, tell
from adapters.database.records import ApiKeyRow, WebSessionRow
from adapters.database.text import jsonb
from domain.people import Attempt, KeyLimits, Scope
from policy import people as policy


class LoginStore:
    """Who is logged in, and who tries to be. Ends of sessions and keys are told on the topic `login:<person>`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # ------------------------------------------------------------ sessions

    async def begin(
        self, session: str, person: str, at: datetime, expires_at: datetime, address: str, user_agent: str
    ) -> None:
        """A new session."""
        params = {
            "id": session, "person": person, "at": at, "expires_at": expires_at, "address": address,
            "user_agent": user_agent[:300],
        }  # fmt: skip
        await self._pool.write("save_web_session", params)

    async def session(self, session: str) -> WebSessionRow | None:
        """A session of a person who is not disabled. Whether it is over is policy's to say."""
        return first(await self._pool.values("find_web_session", WebSessionRow, {"id": session}))

    async def sessions(self, person: str, now: datetime) -> tuple[WebSessionRow, ...]:
        """The live ones, last used first, at most 50."""
        params = {"person": person, "now": now, "idle_since": now - policy.IDLE}
        return tuple(await self._pool.values("list_web_sessions", WebSessionRow, params))

    async def all_sessions(self, now: datetime) -> tuple[WebSessionRow, ...]:
        """Everybody's live ones, last used first, at most 500."""
        params = {"now": now, "idle_since": now - policy.IDLE}
        return tuple(await self._pool.values("list_all_web_sessions", WebSessionRow, params))

    async def seen(self, session: str, at: datetime, address: str) -> None:
        """It was used."""
        await self._pool.write("touch_web_session", {"id": session, "at": at, "address": address})

    async def confirmed(self, session: str, at: datetime) -> None:
        """The password was entered again."""
        await self._pool.write("confirm_web_session", {"id": session, "at": at})

    async def end(self, session: str, person: str) -> bool:
        """End one session of a person."""
        params = {"id": session, "person": person}
        return await self._pool.write("end_web_session", params, f"login:{person}") > 0

    async def end_all(self, person: str, keep: str = "") -> int:
        """End all sessions of a person, but `keep`. How many there were."""
        return await self._pool.write("end_web_sessions", {"person": person, "keep": keep}, f"login:{person}")

    async def know_browser(self, browser: str, person: str, at: datetime) -> None:
        """This person logged in with this browser."""
        await self._pool.write("save_known_browser", {"id": browser, "person": person, "at": at})

    async def knows_browser(self, browser: str, person: str) -> bool:
        """Whether this person ever logged in with this browser."""
        return bool(await self._pool.rows("is_known_browser", {"id": browser, "person": person}))

    async def forget_browsers(self, person: str) -> None:
        """None is known any more: after a reset by somebody else."""
        await self._pool.write("forget_known_browsers", {"person": person})

    # ------------------------------------------------------------ keys

    async def add_key(
        self, key: str, digest: str, name: str, person: str, scopes: Sequence[Scope], limits: KeyLimits,
        at: datetime, expires_at: datetime | None,
    ) -> None:  # fmt: skip
        """A new key."""
        params = {
            "id": key, "hash": digest, "name": name, "person": person, "scopes": [str(s) for s in scopes],
            "limits": jsonb(limits), "at": at, "expires_at": expires_at,
        }  # fmt: skip
        await self._pool.write("save_api_key", params)

    async def key(self, key: str) -> ApiKeyRow | None:
        """A key by its first part."""
        return first(await self._pool.values("find_api_key", ApiKeyRow, {"id": key}))

    async def keys(self, owner: str = "") -> tuple[ApiKeyRow, ...]:
        """All keys, or those of one person; usable ones first."""
        return tuple(await self._pool.values("list_api_keys", ApiKeyRow, {"owner": owner or None}))

    async def key_used(self, key: str, at: datetime, address: str) -> None:
        """Count a use."""
        await self._pool.write("touch_api_key", {"id": key, "at": at, "address": address})

    async def revoke_key(self, key: str, person: str, at: datetime) -> bool:
        """For good. `person` is its owner, whose streams look again."""
        return await self._pool.write("revoke_api_key", {"id": key, "at": at}, f"login:{person}") > 0

    # ------------------------------------------------------------ attempts

    async def begin_attempt(self, counts: Sequence[Attempt], now: datetime) -> float:
        """Seconds to wait; 0 where the attempt may be looked at now, and then it counts as failed already.

        Counting first is what makes two at the same instant two. Whoever succeeds calls `forgive`.
        """
        ordered = sorted(counts, key=lambda a: (a.kind, a.subject))  # one order for all: no deadlock

        async def work(conn: Connection) -> float:
            states = [(a, *await _attempts(conn, a, now)) for a in ordered]
            wait = max((policy.wait_s(a.kind, failures, last, now) for a, failures, last in states), default=0.0)
            if wait == 0:
                for a, failures, _ in states:
                    await execute(conn, "save_attempt", {**_subject(a), "failures": failures + 1, "at": now})
            return wait

        return await self._pool.run(work)

    async def forgive(self, forget: Sequence[Attempt], refund: Sequence[Attempt] = ()) -> None:
        """After a success: forget a person's own failures, take back this one attempt of an address."""

        async def work(conn: Connection) -> None:
            for a in forget:
                await execute(conn, "forget_attempts", _subject(a))
            for a in refund:
                await execute(conn, "refund_attempt", _subject(a))

        await self._pool.run(work)

    async def tell(self, person: str) -> None:
        """Streams of this person look again whether they may go on."""

        async def work(conn: Connection) -> None:
            await tell(conn, f"login:{person}")

        await self._pool.run(work)


def _subject(attempt: Attempt) -> dict[str, object]:
    return {"kind": attempt.kind, "subject": attempt.subject}


async def _attempts(conn: Connection, attempt: Attempt, now: datetime) -> tuple[int, datetime]:
    await execute(conn, "begin_attempt", {**_subject(attempt), "at": now})
    row = await (
        await conn.execute(query("read_attempt"), {"kind": str(attempt.kind), "subject": attempt.subject})
    ).fetchone()
    if row is None:
        return 0, now
    failures, last_at = row
    return policy.counted(int(failures), last_at, now), last_at
