import asyncio
import gzip
import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address

import httpx
import pytest

from hoptrail_tracer.lookups.addresses import is_public
from hoptrail_tracer.lookups.bootstrap import shipped_bootstrap
from hoptrail_tracer.lookups.cache import MemoryCache
from hoptrail_tracer.lookups.errors import LookupsError, MalformedAnswerError, RefusedError, TemporaryError
from hoptrail_tracer.lookups.fetch import Fetcher
from hoptrail_tracer.lookups.gate import Gate
from hoptrail_tracer.lookups.rdap import Rdap
from testbed.registry import RdapServer, Reply, redirect

ACCEPT = "application/rdap+json"
TABLE = {"services": [[["198.51.100.0/24"], ["https://rdap.example/"]]]}
KNOWN = shipped_bootstrap().knows_host


def fetch(url, *, servers=(), addresses=(), timeout_s=5.0, times=1, client=None, may_connect=is_public):
    """The pages or errors of asking for a URL a few times."""

    async def resolve(_host):
        return [ip_address(address) for address in addresses]

    async def main():
        fetcher = Fetcher(
            resolve,
            Gate(6_000, time.monotonic),
            timeout_s=timeout_s,
            test_servers=servers,
            client=client,
            may_connect=may_connect,
        )
        found = []
        for _ in range(times):
            try:
                found.append(await fetcher.get(url, ACCEPT, KNOWN))
            except LookupsError as error:
                found.append(error)
        await fetcher.aclose()
        return found

    return asyncio.run(main())


def fetch_from(replies, path="/x", **options):
    """What comes of a path on a loopback server, and which paths that was asked for."""
    with RdapServer(replies) as server:
        (found,) = fetch(f"{server.base}{path[1:]}", servers=[server.base], **options)
        return found, server.requests


def test_page_is_asked_for_as_rdap_and_uncompressed():
    page, [(path, headers)] = fetch_from({"/x": Reply(body=b'{"a": 1}')})
    assert (page.status, page.body, path) == (200, b'{"a": 1}', "/x")
    assert headers["accept"] == "application/rdap+json"
    assert headers["accept-encoding"] == "identity"
    assert headers["host"].startswith("127.0.0.1:")
    assert headers["user-agent"].startswith("hoptrail/")


@pytest.mark.parametrize(
    "target",
    [
        *("http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:1/", "http://[::1]/", "https://127.0.0.1/"),
        *("https://10.0.0.1/", "http://rdap.arin.net/registry/ip/1.1.1.1", "https://evil.example/ip/1.1.1.1"),
        *(
            "https://rdap.arin.net:8443/",
            "https://user:pass@rdap.arin.net/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
        ),
        *("//evil.example/", "https://rdap.arin.net@evil.example/", "https://rdap.arin.net.evil.example/"),
    ],
)
def test_redirect_to_anywhere_but_a_registry_is_refused(target):
    error, requests = fetch_from({"/x": redirect(target)})
    assert isinstance(error, RefusedError)
    assert len(requests) == 1


@pytest.mark.parametrize("target", ["http://[", "http://a:b:c/", "https://", "https://xn--0/"])
def test_redirect_to_what_is_no_url_is_refused(target):
    error, _ = fetch_from({"/x": redirect(target)})
    assert isinstance(error, LookupsError)


def test_redirect_to_another_port_of_loopback_is_refused():
    with RdapServer() as inner:
        error, _ = fetch_from({"/x": redirect(f"{inner.base}ip/192.0.2.1")})
        assert isinstance(error, RefusedError)
        assert inner.requests == []


def test_three_redirects_are_followed_and_a_fourth_is_not():
    chain = {f"/{n}": redirect(f"/{n + 1}") for n in range(4)} | {"/4": Reply(body=b"end")}
    page, _ = fetch_from(chain, "/1")
    assert page.body == b"end"
    error, requests = fetch_from(chain, "/0")
    assert isinstance(error, RefusedError)
    assert len(requests) == 4


def test_loop_of_redirects_ends():
    error, requests = fetch_from({"/x": redirect("/x")})
    assert isinstance(error, RefusedError)
    assert len(requests) == 4


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["::1"], ["fd00::1", "0.0.0.0"]]
)
def test_known_host_that_resolves_to_an_internal_address_is_refused(addresses):
    (error,) = fetch("https://rdap.arin.net/registry/ip/1.1.1.1", addresses=addresses)
    assert isinstance(error, RefusedError)
    assert "not a public address" in str(error)


def test_known_host_that_does_not_resolve_is_a_passing_failure():
    (error,) = fetch("https://rdap.arin.net/registry/ip/1.1.1.1")
    assert isinstance(error, TemporaryError)


def test_endless_body_is_cut_off():
    error, _ = fetch_from({"/x": Reply(body=b" " * 65_536, endless=True)})
    assert isinstance(error, MalformedAnswerError)
    assert "1048576" in str(error)


def test_body_of_a_byte_at_a_time_is_cut_off():
    started = time.monotonic()
    error, _ = fetch_from({"/x": Reply(body=b" " * 10_000, drip_s=0.02)}, timeout_s=0.3)
    assert isinstance(error, TemporaryError)
    assert "within 0.3 s" in str(error)
    assert time.monotonic() - started < 5


def test_compressed_body_is_not_unpacked():
    bomb = gzip.compress(b" " * 50_000_000)
    error, _ = fetch_from({"/x": Reply(body=bomb, headers={"Content-Encoding": "gzip"})})
    assert isinstance(error, MalformedAnswerError)


def test_server_that_asks_to_wait_is_not_asked_again():
    replies = {"/x": Reply(429, b"", {"Retry-After": "120"})}
    with RdapServer(replies) as server:
        first, second = fetch(f"{server.base}x", servers=[server.base], times=2)
        assert len(server.requests) == 1
    assert isinstance(first, TemporaryError)
    assert "120 s" in str(first)
    assert isinstance(second, TemporaryError)


def test_server_that_is_not_there_is_a_passing_failure():
    (error,) = fetch("http://127.0.0.1:1/x", servers=["http://127.0.0.1:1/"])
    assert isinstance(error, TemporaryError)


def test_server_that_speaks_no_http_is_a_passing_failure():
    class Babbler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(b"220 mail.example.net ESMTP\r\n")

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Babbler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}/"
        (error,) = fetch(f"{base}x", servers=[base])
    assert isinstance(error, TemporaryError)


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory):
    """An HTTPS server whose certificate is for rdap.arin.net; (port, context that trusts it, names asked for by SNI)."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=rdap.arin.net",
         "-addext", "subjectAltName=DNS:rdap.arin.net,DNS:data.iana.org", "-keyout", folder / "key", "-out", folder / "cert"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    names = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            iana = self.headers["Host"] == "data.iana.org"
            body = json.dumps(TABLE).encode() if iana else self.headers["Host"].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], ssl.create_default_context(cafile=str(folder / "cert")), names
        server.shutdown()


class OtherPort(httpx.AsyncBaseTransport):
    """The real transport, except that it connects to the test's port."""

    def __init__(self, port, context):
        self.port = port
        self.inner = httpx.AsyncHTTPTransport(verify=context)
        self.hosts = []

    async def handle_async_request(self, request):
        self.hosts.append(request.url.host)
        request.url = request.url.copy_with(port=self.port)
        return await self.inner.handle_async_request(request)


def fetch_tls(tls_server, url):
    port, context, names = tls_server
    names.clear()
    transport = OtherPort(port, context)
    client = httpx.AsyncClient(transport=transport)
    (found,) = fetch(url, addresses=["127.0.0.1"], client=client, may_connect=lambda _: True)
    return found, transport.hosts, names


def test_connection_goes_to_the_checked_address_and_tls_proves_the_name(tls_server):
    page, hosts, names = fetch_tls(tls_server, "https://rdap.arin.net/registry/ip/1.1.1.1")
    assert page.body == b"rdap.arin.net"
    assert hosts == ["127.0.0.1"]
    assert names == ["rdap.arin.net"]


def test_iana_table_is_fetched_once_a_week(tls_server):
    port, context, _ = tls_server
    transport = OtherPort(port, context)

    async def resolve(_host):
        return [ip_address("127.0.0.1")]

    async def refresh_twice():
        client = httpx.AsyncClient(transport=transport)
        gate = Gate(6_000, time.monotonic)
        rdap = Rdap(Fetcher(resolve, gate, timeout_s=5, client=client, may_connect=lambda _: True), MemoryCache())
        return await rdap.refresh(), await rdap.refresh(), rdap.bootstrap.base(ip_address("198.51.100.1"))

    assert asyncio.run(refresh_twice()) == (True, True, "https://rdap.example/")
    assert len(transport.hosts) == 2


def test_certificate_of_another_name_is_refused(tls_server):
    error, _, names = fetch_tls(tls_server, "https://rdap.db.ripe.net/ip/1.1.1.1")
    assert isinstance(error, TemporaryError)
    assert "certificate" in str(error).lower()
    assert names == ["rdap.db.ripe.net"]
