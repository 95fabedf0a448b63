"""When a full disk is told: once when it runs full, once when there is room again."""

import asyncio
from pathlib import Path

import pytest

from worker import supervisor_disk
from worker.supervisor_disk import LOW_BYTES, Disk, words


def test_it_is_told_once_and_room_counts_only_well_above_the_bound() -> None:
    disk = Disk()
    looks = [LOW_BYTES, LOW_BYTES - 1, 0, LOW_BYTES + 1, 2 * LOW_BYTES, 3 * LOW_BYTES]
    assert [disk.changed(free) for free in looks] == [False, True, False, False, True, False]


def test_the_words_name_the_place_and_the_remedy() -> None:
    title, body = words(Path("/srv/ours"), 3 << 20, low=True)
    assert title == "Tiercel: the disk is full"
    assert body.startswith("3 MB are left on the disk of /srv/ours; free space there")


async def test_a_message_that_cannot_be_sent_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_disk, "LOW_BYTES", 1 << 60)
    monkeypatch.setattr(supervisor_disk, "EVERY_S", 0.01)
    said: list[str] = []

    async def broken(_title: str, _body: str) -> None:
        raise OSError("no channel")

    watching = asyncio.create_task(supervisor_disk.watch(tmp_path, said.append, broken))
    await asyncio.sleep(0.1)
    assert not watching.done()
    watching.cancel()
    assert len(said) == 1
