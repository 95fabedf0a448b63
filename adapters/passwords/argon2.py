"""Passwords and PINs as argon2id hashes. One hash takes 64 MiB and a quarter of a second, so few run at a time."""

import asyncio

from pwdlib import PasswordHash

AT_ONCE = 2


class Argon2:
    """Implements domain.ports.Passwords."""

    def __init__(self) -> None:
        self._hasher = PasswordHash.recommended()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._nobodys: str | None = None

    async def hash(self, secret: str) -> str:
        """What may be stored."""
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, secret)

    async def verify(self, secret: str, stored: str | None) -> bool:
        """Whether `secret` is the one. Without a stored hash it takes as long and is False."""
        if stored is None:
            if self._nobodys is None:
                self._nobodys = await self.hash("nobody has this")
            await self._verify(secret, self._nobodys)
            return False
        return await self._verify(secret, stored)

    async def _verify(self, secret: str, stored: str) -> bool:
        async with self._slots:
            return await asyncio.to_thread(self._hasher.verify, secret, stored)
