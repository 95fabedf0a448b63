"""Accounts and one-time codes. What must hold across two writers is decided inside one transaction under a lock."""

from datetime import datetime

from psycopg.rows import class_row

from adapters.database.pool import Connection, Pool, execute, first, query
from adapters.database.records import EntryCodeRow, PersonRow
from domain.people import CodeKind, Person, Role


class PeopleStore:
    """Accounts. Names come canonical (domain.ids.canonical_name)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def person(self, person: str) -> Person | None:
        """By id."""
        return first(await self._pool.values("find_person", Person, {"id": person}))

    async def named(self, name: str) -> Person | None:
        """By name."""
        return first(await self._pool.values("find_person_by_name", Person, {"name": name}))

    async def people(self) -> tuple[PersonRow, ...]:
        """All accounts by name, disabled ones too."""
        return tuple(await self._pool.values("list_people", PersonRow))

    async def admins(self) -> int:
        """How many can log in as admin."""
        return int(str(first(await self._pool.scalars("count_admins")) or 0))

    async def add(self, person: str, name: str, role: Role, at: datetime) -> bool:
        """A new account without a password. False where the name is taken."""
        params = {"id": person, "name": name, "role": role, "password_hash": None, "at": at}
        return await self._pool.write("save_person", params) > 0

    async def change_role(self, person: str, role: Role) -> bool:
        """False where it would leave no admin."""
        return await self._keeping_an_admin("set_person_role", person, {"id": person, "role": role})

    async def disable(self, person: str, at: datetime | None) -> bool:
        """False where it would leave no admin. `at` None enables again. Sessions end with it."""
        return await self._keeping_an_admin("set_person_disabled", person, {"id": person, "at": at})

    async def set_password(self, person: str, password_hash: str) -> None:
        """Sessions go on; end them where they should not."""
        await self._pool.write("set_person_password", {"id": person, "password_hash": password_hash})

    async def set_pin(self, person: str, pin_hash: str | None) -> None:
        """None takes the PIN away."""
        await self._pool.write("set_person_pin", {"id": person, "pin_hash": pin_hash})

    async def _keeping_an_admin(self, name: str, person: str, params: dict[str, object]) -> bool:
        async def work(conn: Connection) -> bool:
            await execute(conn, "lock_people")
            before = await _admins(conn)
            await execute(conn, name, params)
            if before and not await _admins(conn):
                await conn.rollback()
                return False
            return True

        return await self._pool.run(work)

    # ------------------------------------------------------------ one-time codes

    async def issue(self, code: str, kind: CodeKind, person: str | None, at: datetime, until: datetime | None) -> None:
        """Keep a code's hash. Earlier unused codes for the same end are void."""

        async def work(conn: Connection) -> None:
            await execute(conn, "lock_people")
            if person is None:
                await execute(conn, "drop_setup_codes")
            else:
                await execute(conn, "drop_entry_codes", {"person": person})
            params = {"hash": code, "kind": kind, "person": person, "at": at, "expires_at": until}
            await execute(conn, "save_entry_code", params)

        await self._pool.run(work)

    async def code(self, code: str, now: datetime) -> EntryCodeRow | None:
        """What an unused code is for; None also while its person is disabled."""
        return first(await self._pool.values("find_entry_code", EntryCodeRow, {"hash": code, "now": now}))

    async def redeem(self, code: str, new: Person, now: datetime) -> Person | None:
        """Use a code once: set the password of its person, or for setup make `new` the first admin.

        None where the code was used meanwhile, the name is taken, or (setup) an admin exists already.
        """

        async def work(conn: Connection) -> Person | None:
            await execute(conn, "lock_people")
            params = {"hash": code, "now": now}
            async with conn.cursor(row_factory=class_row(EntryCodeRow)) as cursor:
                await cursor.execute(query("find_entry_code"), params)
                found = await cursor.fetchone()
            if found is None or not await execute(conn, "use_entry_code", params):
                return None
            if found.person is None:
                return await _first_admin(conn, new)
            await execute(conn, "set_person_password", {"id": found.person, "password_hash": new.password_hash})
            return await _person(conn, found.person)

        return await self._pool.run(work)


async def _first_admin(conn: Connection, new: Person) -> Person | None:
    params = {
        "id": new.id,
        "name": new.name,
        "role": new.role,
        "password_hash": new.password_hash,
        "at": new.created_at,
    }
    if await _admins(conn) or not await execute(conn, "save_person", params):
        await conn.rollback()
        return None
    return await _person(conn, new.id)


async def _person(conn: Connection, person: str) -> Person | None:
    async with conn.cursor(row_factory=class_row(Person)) as cursor:
        await cursor.execute(query("find_person"), {"id": person})
        return await cursor.fetchone()


async def _admins(conn: Connection) -> int:
    row = await (await conn.execute(query("count_admins"))).fetchone()
    return int(row[0]) if row else 0
