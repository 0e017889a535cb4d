"""The embedded authority over HTTP, at the addresses and in the forms of a Fabric CA server.

Enrolment goes by name and secret (basic authentication); everything else by a token (network/ca/tokens.py).
"""

import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import BasicAuth, web

from network.ca.embedded import UNAUTHENTICATED, UNAUTHORIZED, EmbeddedCa, Refusal
from network.ca.registry import RightsError

PREFIX = "/api/v1/"
MOST_BYTES = 1 << 20
CREATED = 201
Answer = Callable[[EmbeddedCa, web.Request, bytes, Mapping[str, Any]], dict[str, Any]]


def application(authorities: Mapping[str, EmbeddedCa]) -> web.Application:
    """Return the application that serves some authorities by name; the first one where a request names none."""
    made = web.Application(client_max_size=MOST_BYTES)
    answers: dict[str, tuple[Answer, int]] = {
        "cainfo": (lambda ca, *_: ca.info(), 200),
        "enroll": (_enrol, CREATED),
        "reenroll": (_by_token(EmbeddedCa.renew), CREATED),
        "register": (_by_token(EmbeddedCa.register), CREATED),
        "revoke": (_by_token(EmbeddedCa.revoke), 200),
        "gencrl": (_by_token(lambda ca, asker, _: ca.list(asker)), 200),
    }
    for name, (answer, status) in answers.items():
        for prefix in (PREFIX, "/"):  # the official client asks without the prefix
            made.router.add_post(prefix + name, _handler(authorities, answer, status))
    made.router.add_get(PREFIX + "cainfo", _handler(authorities, answers["cainfo"][0], 200))
    return made


async def serve(made: web.Application, host: str, port: int, tls: ssl.SSLContext | None) -> web.AppRunner:
    """Begin to serve; the runner's addresses say where, its cleanup ends it."""
    runner = web.AppRunner(made, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=tls).start()
    return runner


def _handler(authorities: Mapping[str, EmbeddedCa], answer: Answer, status: int) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            asked = json.loads(body) if body else {}
            result = answer(_authority(authorities, request, asked), request, body, asked)
        except Refusal as refusal:
            return _response({}, refusal.status, refusal)
        except RightsError:
            return _response({}, UNAUTHORIZED.status, UNAUTHORIZED)
        except (ValueError, KeyError, TypeError, AttributeError):  # others wrote the body
            return _response({}, 400, Refusal(400, 5, "Invalid request body"))
        return _response(result, status)

    return handle


def _authority(authorities: Mapping[str, EmbeddedCa], request: web.Request, asked: Mapping[str, Any]) -> EmbeddedCa:
    name = request.query.get("ca") or asked.get("caname") or asked.get("CAName") or ""
    found = authorities.get(name) if name else next(iter(authorities.values()))
    if found is None:
        raise Refusal(404, 19, f"CA '{name}' does not exist")
    return found


def _enrol(ca: EmbeddedCa, request: web.Request, _: bytes, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        given = BasicAuth.decode(request.headers.get("Authorization", ""))
    except ValueError:
        raise UNAUTHENTICATED from None
    return ca.enrol(given.login, given.password, asked)


def _by_token(answer: Callable[[EmbeddedCa, str, Mapping[str, Any]], dict[str, Any]]) -> Answer:
    def authenticated(ca: EmbeddedCa, request: web.Request, body: bytes, asked: Mapping[str, Any]) -> dict[str, Any]:
        return answer(ca, ca.asker(request.headers.get("Authorization", ""), request.raw_path, body), asked)

    return authenticated


def _response(result: dict[str, Any], status: int, refusal: Refusal | None = None) -> web.Response:
    errors = [{"code": refusal.number, "message": refusal.text}] if refusal else []
    value = {"result": result or "", "errors": errors, "messages": [], "success": refusal is None}
    return web.json_response(value, status=status)
