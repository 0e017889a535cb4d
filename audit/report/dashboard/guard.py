"""Who may see the dashboard, and what a browser may do with it.

On this machine alone it needs no token; the Host header is checked, so that a name elsewhere that resolves to this
machine does not reach it. For any other address it asks for a token and speaks TLS only.
"""

import hmac
import ipaddress
import secrets
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from audit import codes
from network.errors import FedledgerError

COOKIE = "fedledger-dashboard"
MINIMUM_TOKEN = 32
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN_PATHS = frozenset({"/login", "/static/style.css", "/static/live.js", "/static/icon.svg"})


class DashboardError(FedledgerError):
    """The dashboard cannot be served as asked."""


@dataclass
class Guard:
    """The token asked for, "" for none; `sessions` are the cookies given to browsers that showed it."""

    token: str = ""
    sessions: set[str] = field(default_factory=set)

    def permits(self, request: web.Request) -> bool:
        """Whether a request may see the ledger."""
        if not self.token:
            return _is_local(request.host)
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.shown(given) or request.cookies.get(COOKIE, "") in self.sessions

    def shown(self, given: str) -> bool:
        """Whether what was given is the token."""
        return bool(self.token) and hmac.compare_digest(given.encode(), self.token.encode())

    def admit(self, response: web.StreamResponse) -> None:
        """Give the browser that showed the token a cookie of its own."""
        session = secrets.token_urlsafe(32)
        self.sessions.add(session)
        response.set_cookie(COOKIE, session, httponly=True, secure=True, samesite="Strict", max_age=12 * 3600)


def _is_local(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name in {"localhost", "127.0.0.1", "[::1]"}


def middleware(guard: Guard) -> Middleware:
    """Return the middleware that keeps strangers out and sets every answer's headers."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse
        if guard.permits(request) or (guard.token and request.path in OPEN_PATHS):
            response = await handler(request)
        elif guard.token and request.path != "/live.json":
            response = web.Response(status=303, headers={"Location": "/login"})
        else:
            response = web.Response(status=403, text="not permitted")
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return guarded


def read_token(path: Path | None) -> str:
    """Return the token of a file that nobody else can read; raises DashboardError (FL5121)."""
    if path is None:
        return ""
    try:
        token, mode = path.read_text().strip(), path.stat().st_mode
    except OSError as error:
        raise DashboardError(
            codes.TOKEN_UNUSABLE, f"the token file cannot be read: {error.strerror}", where=str(path)
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise DashboardError(codes.TOKEN_UNUSABLE, "others can read the token file", where=str(path), hint="chmod 600")
    if len(token) < MINIMUM_TOKEN:
        text = f"the token has {len(token)} characters, {MINIMUM_TOKEN} are needed"
        raise DashboardError(codes.TOKEN_UNUSABLE, text, where=str(path), hint="openssl rand -hex 32 makes one")
    return token


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False  # a name that leads who knows where


def tls(address: str, token: str, certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return the TLS context, None on this machine alone; raises DashboardError (FL5120) where others could listen."""
    if certificate and key:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate, key)
    else:
        context = None
    if not _is_loopback(address) and not (token and context):
        text = "other machines may reach this address: it needs a token and TLS"
        hint = "Give --token-file, --tls-cert and --tls-key, or listen on 127.0.0.1."
        raise DashboardError(codes.LISTENING_OPENLY, text, where=address, hint=hint)
    return context
