"""A GET that an answer from outside cannot steer: HTTPS, known hosts, public addresses, bounded bytes and time.

The host's addresses are looked up once, checked, and the connection goes to the address that was checked, while TLS
still proves the name. Redirects are followed by hand, each under the same rules. Proxies of the environment are
ignored: one would look the name up again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import httpx

from hoptrail_tracer.lookups.addresses import Address, is_public
from hoptrail_tracer.lookups.errors import MalformedAnswerError, RefusedError, TemporaryError
from hoptrail_tracer.lookups.gate import Gate

MAX_BODY_BYTES = 1_048_576  # the longest real answer seen has 40 KB
MAX_REDIRECTS = 3
MAX_ADDRESSES = 3  # of one host that are tried
CONNECT_TIMEOUT_S = 4.0
BUSY = (429, 503)
REDIRECTS = (301, 302, 303, 307, 308)

Resolve = Callable[[str], Awaitable[Sequence[Address]]]


@dataclass(frozen=True, slots=True)
class Page:
    """What a server answered in the end, and which host that was."""

    host: str
    status: int
    body: bytes


def make_client() -> httpx.AsyncClient:
    """Return a client that keeps no connection: one opened for a name must not serve another at the same address."""
    return httpx.AsyncClient(
        limits=httpx.Limits(max_connections=8, max_keepalive_connections=0), trust_env=False, follow_redirects=False
    )


class Fetcher:
    """Fetches from hosts that `knows_host` approves. `test_servers` are bases on loopback that need no TLS."""

    def __init__(
        self,
        resolve: Resolve,
        gate: Gate,
        *,
        timeout_s: float,
        test_servers: Collection[str] = (),
        client: httpx.AsyncClient | None = None,
        may_connect: Callable[[Address], bool] = is_public,
    ) -> None:
        self._resolve = resolve
        self._gate = gate
        self._timeout_s = timeout_s
        self._test_origins = {_origin(httpx.URL(base)) for base in test_servers}
        self._given_client = client
        self._made_client: httpx.AsyncClient | None = None
        self._may_connect = may_connect

    async def get(self, url: str, accept: str, knows_host: Callable[[str], bool]) -> Page:
        """Return the page behind at most three redirects. TemporaryError and kin say why there is none."""
        target = httpx.URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            self._check(target, knows_host)
            async with self._gate.turn(target.host):
                answer = await self._get_in_time(target, accept)
            if isinstance(answer, Page):
                return answer
            target = answer
        raise RefusedError(f"{httpx.URL(url).host} redirects more than {MAX_REDIRECTS} times")

    async def aclose(self) -> None:
        """Close the client, unless it was given."""
        if self._made_client is not None:
            await self._made_client.aclose()

    @property
    def _client(self) -> httpx.AsyncClient:
        """The client given, or one made at first use: loading the certificates takes 40 ms, and a milter needs none."""
        if self._given_client is not None:
            return self._given_client
        if self._made_client is None:
            self._made_client = make_client()
        return self._made_client

    async def _get_in_time(self, url: httpx.URL, accept: str) -> Page | httpx.URL:
        """Return what one host answers. The time bounds the whole of it, for a server that sends a byte a second."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._get_once(url, accept)
        except TimeoutError as error:
            raise TemporaryError(f"{url.host} gave no answer within {self._timeout_s:g} s") from error
        except (httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: xn-- before what is no punycode
            raise RefusedError(f"{url.host} redirects to something that is no URL") from error
        except httpx.TransportError as error:
            raise TemporaryError(f"{url.host}: {error or type(error).__name__}"[:200]) from error

    def _check(self, url: httpx.URL, knows_host: Callable[[str], bool]) -> None:
        if _origin(url) in self._test_origins:
            return
        if url.scheme != "https" or url.port not in (None, 443) or url.userinfo:
            raise RefusedError(f"{_shown(url)} is not plain HTTPS")
        if not knows_host(url.host):
            raise RefusedError(f"{_shown(url)} is not on a registry's known server")

    async def _addresses(self, url: httpx.URL) -> list[str]:
        """Return the addresses that may be connected to for the URL's host, at most three."""
        if _origin(url) in self._test_origins:
            return [url.host]
        found = await self._resolve(url.host)
        if not found:
            raise TemporaryError(f"the name {url.host} does not resolve")
        allowed = [str(address) for address in found if self._may_connect(address)]
        if not allowed:
            raise RefusedError(f"{url.host} resolves to {found[0]}, which is not a public address")
        return allowed[:MAX_ADDRESSES]

    async def _get_once(self, url: httpx.URL, accept: str) -> Page | httpx.URL:
        """Return the page, or where it redirects to."""
        *others, last = await self._addresses(url)
        for address in others:
            try:
                return await self._get_from(address, url, accept)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._get_from(last, url, accept)

    async def _get_from(self, address: str, url: httpx.URL, accept: str) -> Page | httpx.URL:
        request = self._client.build_request(
            "GET",
            url.copy_with(host=address),
            headers={
                "Host": url.netloc.decode("ascii"),
                "Accept": accept,
                "Accept-Encoding": "identity",  # a compressed megabyte can hold a gigabyte
                "User-Agent": f"hoptrail/{version('hoptrail')}",
            },
            timeout=httpx.Timeout(self._timeout_s, connect=min(CONNECT_TIMEOUT_S, self._timeout_s)),
            extensions={"sni_hostname": url.host},
        )
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            if response.status_code in REDIRECTS:
                return url.join(response.headers.get("Location", ""))
            if response.status_code in BUSY:
                wait_s = self._gate.close(url.host, response.headers.get("Retry-After"))
                raise TemporaryError(f"{url.host} is busy and asks to wait {wait_s:.0f} s")
            return Page(url.host, response.status_code, await _read(response, url.host))
        finally:
            await response.aclose()


async def _read(response: httpx.Response, host: str) -> bytes:
    """Return the body as it came, if it is neither compressed nor too long."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        raise MalformedAnswerError(f"{host} compressed its answer, though asked not to")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise MalformedAnswerError(f"{host} answered with more than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _shown(url: httpx.URL) -> str:
    """Return the URL for a sentence: without user and password, and short."""
    return ascii(str(url.copy_with(userinfo=b"")))[:200]
