"""Who may ask: only pages that this server itself gave out, under this machine's own name.

A page from elsewhere can make its own name resolve to 127.0.0.1 (DNS rebinding); the Host header gives it away. It can
also make a browser send requests here; it cannot read the token of our page, nor set a header without asking first.
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tomoset.errors import TomosetError

__all__ = ["TOKEN_HEADER", "ForbiddenError", "LoopbackGuard", "require_token"]

TOKEN_HEADER = "X-Tomoset-Token"  # noqa: S105 (the header's name, not a secret)
_HOSTS = ("127.0.0.1", "localhost")
_HEADERS = {
    # No inline code, nothing from other machines; pictures may be made by our own code.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]


class ForbiddenError(TomosetError, PermissionError):
    """A request came from where it may not."""


class LoopbackGuard:
    """ASGI middleware: refuse foreign names of this machine, and add the headers that keep pages to themselves."""

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Pass a request on, or answer 403."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if scope["type"] != "http" or len(hosts) != 1 or _name(hosts[0]) not in _HOSTS:
            await _refuse(send, ", ".join(hosts) or "none")
            return

        async def send_with_headers(message: _Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_encoded(_HEADERS)]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def require_token(expected: str, given: str | None, fetch_site: str | None) -> None:
    """Check that a write comes from our own page.

    Parameters
    ----------
    expected : str
        The token of this server, which its pages carry.
    given : str or None
        What the request's header says.
    fetch_site : str or None
        The browser's ``Sec-Fetch-Site``; other programs send none.

    Raises
    ------
    ForbiddenError
        If the token is missing or wrong, or the browser says that another site asks.
    """
    if fetch_site not in (None, "same-origin"):
        raise ForbiddenError(f"expected a request from this server's own page, found one from a {fetch_site} page")
    if not hmac.compare_digest(expected.encode(), (given or "").encode()):
        raise ForbiddenError(
            f"expected the header {TOKEN_HEADER} with this server's token, found none or another one; reload the page"
        )


def _name(host: str) -> str:
    name, _, port = host.partition(":")
    return name.lower() if not port or port.isdecimal() else ""


async def _refuse(send: _Send, found: str) -> None:
    text = (
        f"Expected the name 127.0.0.1 or localhost, found {found}. This server answers only pages of this machine; "
        "open the address that `tomoset browse` printed."
    )
    headers = {"Content-Type": "text/plain; charset=utf-8", **_HEADERS}
    await send({"type": "http.response.start", "status": 403, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": text.encode()})


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
