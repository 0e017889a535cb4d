"""Why a peer cannot be reached: looked for only after connecting failed, by plain sockets, to name the cause."""

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

_PROXIES: Final = ("grpc_proxy", "https_proxy", "http_proxy")
"""The variables that gRPC takes a proxy from, the first that is set."""
# OpenSSL's verify codes (x509_vfy.h).
_ENDED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an endpoint's address leads.

    Attributes:
        host: a name or an IP address, without brackets.
        port: its port.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, whom no proxy can reach for us."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")


def destination(address: str) -> Destination:
    """Return what "host:port" says; an IPv6 address stands in brackets.

    Raises:
        ValueError: it is something else; the sentence says how to write it.
    """
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if address != address.strip() or "/" in address:
        raise ValueError(f"the address {address!r} is not host:port: leave out scheme, path and blanks")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"the address {address!r} has no port: write host:port")
    if ":" in host and not bracketed:
        raise ValueError(f"the address {address!r} is no name with a port: an IPv6 address stands in brackets")
    return Destination(host[1:-1] if bracketed else host, int(port))


async def cause(
    to: Destination, tls: ssl.SSLContext | None, name: str | None, environment: Mapping[str, str] = os.environ
) -> str:
    """Return in a sentence why a peer cannot be reached, as far as plain sockets tell.

    Args:
        to: the peer.
        tls: how its certificate is checked; None for a connection without TLS.
        name: the name that the certificate must carry, where it is not the host.
        environment: the process's variables.
    """
    if proxy := _proxy(to, environment):
        return f"gRPC goes through the proxy that {proxy} names: list {to.host} in no_proxy if it is reached directly"
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:  # the latter of a name that the DNS cannot carry
        return f"the name {to.host} is not known here ({getattr(error, 'strerror', error)})"
    try:
        _, writer = await asyncio.open_connection(to.host, to.port)
    except ConnectionRefusedError:
        return f"{addresses[0][4][0]} refuses connections on port {to.port}: nothing listens there"
    except OSError as error:
        return f"{addresses[0][4][0]} cannot be reached: {error.strerror or error}"
    writer.transport.abort()
    return await (_without_tls(to) if tls is None else _with_tls(to, tls, name or to.host))


async def _with_tls(to: Destination, tls: ssl.SSLContext, name: str) -> str:
    try:
        _, writer = await asyncio.open_connection(to.host, to.port, ssl=tls, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        return _distrust(error, name)
    except ssl.SSLError as error:
        if error.reason in _NO_TLS:
            return "it does not speak TLS: a peer without TLS needs plaintext=True"
        return f"TLS fails: {error.reason or error}"
    except (OSError, EOFError) as error:
        return f"it closes the connection during the TLS handshake ({error})"
    writer.transport.abort()
    return "TLS works, but no gRPC answer came in time: it may ask for a client certificate, or be no peer"


def _distrust(error: ssl.SSLCertVerificationError, name: str) -> str:
    if error.verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
        return f"its certificate is not for {name}: dial a name that it carries, or give server_name"
    if error.verify_code in (_ENDED, _NOT_YET):
        return f"its certificate or this machine's clock is out of date: {error.verify_message}"
    return f"its certificate is not from the given root certificates: {error.verify_message}"


async def _without_tls(to: Destination) -> str:
    anyone = ssl.create_default_context()
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE  # only asks whether it speaks TLS, sends nothing
    try:
        _, writer = await asyncio.open_connection(to.host, to.port, ssl=anyone)
    except (OSError, EOFError):
        return "it takes connections, but no gRPC answer came in time: it may be no peer"
    writer.transport.abort()
    return "it speaks TLS: leave out plaintext=True and give its root certificates"


def _proxy(to: Destination, environment: Mapping[str, str]) -> str | None:
    if to.is_loopback:
        return None
    used = next((name for name in _PROXIES if environment.get(name)), None)
    excepted = [part.strip() for name in ("no_grpc_proxy", "no_proxy") for part in environment.get(name, "").split(",")]
    return None if any(part and to.host.endswith(part) for part in excepted) else used
