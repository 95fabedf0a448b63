"""The output of sessions: appended in chunks by one writer, read from any line on."""

from collections.abc import Sequence

from adapters.database.output_codec import MAX_LINES, pack, split, unpack
from adapters.database.pool import OUTPUT, Connection, Pool, execute, first, query
from domain.errors import TransientError
from domain.ids import SessionId
from domain.session import OutputLine

READ_BYTES = 4 << 20  # a page of megabyte lines must not fill the reader's memory
_MOST_CHUNKS = 16  # in one read


class OutputStore:
    """Lines of a session's processes, numbered from 1 without gaps within (session, attempt)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def append_output(self, session: SessionId, attempt: int, lines: Sequence[OutputLine]) -> None:
        """Store `lines` and tell listeners the newest number, both or neither. Lines already stored are skipped.

        Raises TransientError where lines are missing between the stored ones and these: read `last_seq` and go on
        from there. A second writer waits for the first and then finds its lines stored.
        """
        if not lines:
            return

        async def work(conn: Connection) -> None:
            key: dict[str, object] = {"session": session, "attempt": attempt}
            await execute(conn, "lock_output", key)
            row = await (await conn.execute(query("last_seq"), key)).fetchone()
            new = _following(lines, int(row[0]) if row else 0)
            if not new:
                return
            chunks = [pack(group) for group in split(new)]
            columns = ("first_seq", "n", "at", "codec", "body")
            await execute(conn, "save_output", {**key, **{c: [getattr(chunk, c) for chunk in chunks] for c in columns}})
            await execute(conn, "notify", {"channel": OUTPUT, "payload": f"{session}:{attempt}:{new[-1].seq}"})

        await self._pool.run(work)

    async def last_seq(self, session: SessionId, attempt: int) -> int:
        """The number of the newest stored line, 0 where there is none."""
        found = first(await self._pool.scalars("last_seq", {"session": session, "attempt": attempt}))
        return int(str(found or 0))

    async def read_output(
        self, session: SessionId, attempt: int, after_seq: int = 0, limit: int = 1000
    ) -> list[OutputLine]:
        """The lines after `after_seq`, at most `limit` and about 4 MB. Empty means that there is nothing newer."""
        lines: list[OutputLine] = []
        size = 0
        while len(lines) < limit and size < READ_BYTES:
            cursor = lines[-1].seq if lines else after_seq
            # The first chunk may begin long before, and what is read beyond `limit` was unpacked for nothing.
            chunks_wanted = min((limit - len(lines)) // MAX_LINES + 2, _MOST_CHUNKS)
            key = {"session": session, "attempt": attempt, "after": cursor, "chunks": chunks_wanted}
            chunks = await self._pool.rows("read_output", key)
            before = len(lines)
            for first_seq, codec, body in chunks:
                lines += [line for line in unpack(first_seq, codec, body) if line.seq > cursor]
                size += len(body)
            if len(lines) == before:
                break
        return lines[:limit]


def _following(lines: Sequence[OutputLine], stored: int) -> list[OutputLine]:
    new = [line for line in lines if line.seq > stored]
    for place, line in enumerate(new):
        if line.seq != stored + 1 + place:
            raise TransientError(
                f"output line {stored + 1 + place} is missing before {line.seq}; resume after {stored}"
            )
    return new
