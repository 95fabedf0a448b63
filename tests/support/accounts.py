"""People who log in to a dashboard under test, as their browsers would."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp

from domain.people import Role
from tests.support.browser import Dashboard
from web.services.actions import Actor
from web.services.logins import Visitor

PASSWORD = "four plain old words"
TEST = Actor(kind="system", name="test")
DESK = Visitor(address="127.0.0.1", user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")


async def account(site: Dashboard, name: str, role: Role) -> str:
    """An account with PASSWORD; the first of a dashboard is an admin by the setup code. Its id."""
    people = site.site.people
    code = await people.setup_code(TEST) if role == Role.ADMIN else None
    if code is None:
        code = (await people.add(name, role, TEST)).secret
    entry = await people.join(code, name, PASSWORD, DESK)
    assert entry.accepted, entry.message
    person = await people.named(name)
    assert person is not None
    return person.id


@asynccontextmanager
async def surfing(site: Dashboard, name: str = "", password: str = PASSWORD) -> AsyncGenerator[aiohttp.ClientSession]:
    """A browser's session, logged in where a name is given. Redirects are not followed."""
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"Origin": site.url, "Accept": "text/html", "User-Agent": DESK.user_agent}
    async with aiohttp.ClientSession(site.url, cookie_jar=jar, headers=headers) as web:
        if name:
            async with web.post("/login", data={"name": name, "password": password}, allow_redirects=False) as answer:
                assert answer.status == 303, await answer.text()
        yield web
