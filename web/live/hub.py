"""One place that hears of changes and wakes the streams that asked for them.

Each log has a ring of its newest lines, read once from the record for all readers. A reader takes its wake-up
event before it reads, so nothing that happens in between is lost; the ring answers while the reader's cursor
lies inside it, the record otherwise. One writer per log is a rule of the product: numbers have no gaps.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from domain.session import OutputLine
from web.live.cursor import LogKey

RING = 256
PAGE = 500  # lines per read and per event
RENDERED = 8  # batches kept as text
LOGIN = "login:"  # topic: this person's sessions or keys changed

ReadLines = Callable[[str, int, int, int], Awaitable[tuple[OutputLine, ...]]]  # session, attempt, after, limit


class LogFeed:
    """The newest lines of one log."""

    def __init__(self, key: LogKey, read: ReadLines) -> None:
        self._key = key
        self._read = read
        self._ring: deque[OutputLine] = deque(maxlen=RING)
        self._lock = asyncio.Lock()
        self.newest = 0  # highest number heard of
        self.readers = 0
        self._rendered: OrderedDict[tuple[int, int, str], bytes] = OrderedDict()

    async def after(self, cursor: int) -> tuple[OutputLine, ...]:
        """Up to PAGE lines that follow `cursor`, without gap; empty at the end."""
        if self._ring and self.newest <= self._ring[-1].seq and self._ring[0].seq <= cursor + 1:
            return self._since(cursor)  # the usual case, without waiting for the other readers
        async with self._lock:
            await self._catch_up(cursor)
            if self._ring and self._ring[0].seq <= cursor + 1:
                return self._since(cursor)
        return await self._read(self._key.session, self._key.attempt, cursor, PAGE)

    def _since(self, cursor: int) -> tuple[OutputLine, ...]:
        found: list[OutputLine] = []
        for line in reversed(self._ring):  # most readers want the last few
            if line.seq <= cursor:
                break
            found.append(line)
        return tuple(reversed(found))

    async def _catch_up(self, cursor: int) -> None:
        held = self._ring[-1].seq if self._ring else cursor
        if self._ring and self.newest <= held:
            return
        if self._ring and self.newest - held > RING:  # far behind: begin anew at the reader's place
            self._ring.clear()
            held = cursor
        heard = self.newest
        lines = await self._read(self._key.session, self._key.attempt, held, RING)
        self._ring.extend(lines)
        if not lines and self.newest == heard:
            self.newest = held  # this was the end, unless we heard of more meanwhile
        elif lines and lines[-1].seq >= self.newest:
            # A full page or an unheard-of line: there may be more, and only an empty answer says that there is not.
            self.newest = lines[-1].seq if heard and lines[-1].seq == heard else lines[-1].seq + 1

    def once(self, lines: Sequence[OutputLine], zone: str, make: Callable[[], bytes]) -> bytes:
        """What `make` gives for these lines, made once for all readers in the same time zone."""
        place = (lines[0].seq, lines[-1].seq, zone)
        if place not in self._rendered:
            self._rendered[place] = make()
            if len(self._rendered) > RENDERED:
                self._rendered.popitem(last=False)
        return self._rendered[place]

    def forget(self) -> None:
        """After a lost connection anything may have been missed: read from the record again."""
        self._ring.clear()


@dataclass(eq=False)
class Subscription:
    """What one stream wants to hear of, and what it has not been told yet."""

    topics: frozenset[str]
    logs: tuple[LogKey, ...]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    told: bool = False  # woken by news, not by the heartbeat
    changed: set[str] = field(default_factory=set[str])
    person: str = ""  # who listens, where people log in
    doubted: bool = False  # whether this stream may go on must be looked up again

    def begin(self) -> None:
        """Before reading: what comes after this wakes us again."""
        self.told = False
        self.wake.clear()

    def tell(self) -> None:
        """There is something new."""
        self.told = True
        self.wake.set()

    def hears(self, topic: str) -> bool:
        """`incident:17` is heard by who asked for it and by who asked for every `incident`."""
        return topic in self.topics or topic.partition(":")[0] in self.topics

    def take(self) -> set[str]:
        """The changed topics since the last time."""
        changed, self.changed = self.changed, set()
        return changed


class Hub:
    """Knows every open stream of this process."""

    def __init__(self, read: ReadLines) -> None:
        self._read = read
        self._streams: set[Subscription] = set()
        self._feeds: dict[LogKey, LogFeed] = {}
        self.closing = asyncio.Event()
        # Grows with every change, and begins where no earlier process can have ended. A page carries the number of
        # its making; a stream that starts at a higher one tells it that it missed something on the way.
        self.count = time.time_ns() // 1000

    def subscribe(self, topics: Iterable[str], logs: Iterable[LogKey], person: str = "") -> Subscription:
        """Begin to listen. Pair with `unsubscribe`."""
        subscription = Subscription(frozenset(topics), tuple(dict.fromkeys(logs)), person=person)
        self._streams.add(subscription)
        for key in subscription.logs:
            feed = self._feeds.setdefault(key, LogFeed(key, self._read))
            feed.readers += 1
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop to listen; the last reader of a log lets go of its ring."""
        self._streams.discard(subscription)
        for key in subscription.logs:
            feed = self._feeds.get(key)
            if feed is not None:
                feed.readers -= 1
                if feed.readers <= 0:
                    del self._feeds[key]

    def feed(self, key: LogKey) -> LogFeed:
        """The feed of a log somebody listens to."""
        return self._feeds[key]

    def changed(self, topic: str) -> None:
        """Something under `topic` is different now."""
        if topic.startswith(LOGIN):
            self._doubt(topic.removeprefix(LOGIN))
            return
        self.count += 1
        for stream in self._streams:
            if stream.hears(topic):
                stream.changed.add(topic)
                stream.tell()

    def _doubt(self, person: str) -> None:
        """Sessions or keys of a person ended: whether their streams may go on is looked up."""
        for stream in self._streams:
            if stream.person == person:
                stream.doubted = True
                stream.tell()

    def output(self, session: str, attempt: int, last_seq: int) -> None:
        """A log has grown to `last_seq`."""
        key = LogKey(session, attempt)
        feed = self._feeds.get(key)
        if feed is None:
            return
        feed.newest = max(feed.newest, last_seq)
        for stream in self._streams:
            if key in stream.logs:
                stream.tell()

    def lost_track(self) -> None:
        """The listening connection was away: everybody looks again."""
        self.count += 1
        for feed in self._feeds.values():
            feed.forget()
        for stream in self._streams:
            stream.changed.update(stream.topics)
            stream.doubted = True
            stream.tell()

    def close(self) -> None:
        """The process ends: streams say goodbye instead of holding it up."""
        self.closing.set()
        for stream in self._streams:
            stream.tell()

    @property
    def open_streams(self) -> int:
        """How many streams are open, for tests and the health page."""
        return len(self._streams)
