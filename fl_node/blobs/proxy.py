"""Which HTTP proxy a blob service is called through, if any: what the usual environment variables say."""

import ipaddress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_for(url: str) -> str | None:
    """Return the proxy for a URL by HTTPS_PROXY, ALL_PROXY and NO_PROXY; none for this machine itself.

    A proxy sees names and sizes, nothing else: TLS is between the two organisations (RFC 9110, CONNECT).
    """
    host = urlsplit(url).hostname or ""
    if _is_here(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get("https") or proxies.get("all")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
