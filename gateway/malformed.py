"""Puts into the audit what a door was sent that is not even HTTP: no handler sees it, so the server's own log does."""

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from gateway.reads import Reads

QUIET = logging.getLogger("gateway.malformed")  # the server wants one; nothing is written to it

_NOT_UNDERSTOOD = "UNKNOWN"  # what the server calls the method of a request that it could not read


def malformed(reads: Reads) -> type[AbstractAccessLogger]:
    """An access log that counts requests of no meaning for `reads` and keeps nothing of the others."""

    class Malformed(AbstractAccessLogger):
        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
            if request.method == _NOT_UNDERSTOOD:
                reads.note("look_refused", "door", f"a request that is no HTTP ({response.status})", 0)

    return Malformed
