"""The guarded client against real servers on this machine: what it reaches, and what it never does."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore
import pytest

from app.domain.webhook_url import Allowed
from app.notify.guarded_client import MAX_ANSWER, GuardedClient, HttpAnswer, RequestFailed, tls_context
from app.notify.resolver import Resolver
from tests.support.tls import Authority

pytestmark = pytest.mark.anyio
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TLS_HELLO = b"\x16"
LOOPBACK = "127.0.0.1/32"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Site:
    """A server that keeps the head of each request and answers with `answer`."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") -> None:
        self.answer = answer
        self.heads: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(1)
        if first == TLS_HELLO:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        self.heads.append((first + await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(
    handler: Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """The port on which `handler` answers; hanging connections are cut at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Dialled(httpcore.AnyIOBackend):
    """The real network, with a note of every connection that was asked for."""

    def __init__(self) -> None:
        self.to: list[str] = []

    async def connect_tcp(self, host: str, *args: object, **kwargs: object) -> httpcore.AsyncNetworkStream:
        self.to.append(host)
        return await super().connect_tcp(host, *args, **kwargs)  # type: ignore[arg-type]


def client(setting: str, **options: object) -> GuardedClient:
    return GuardedClient(Allowed.parse(setting), **options)  # type: ignore[arg-type]


async def code_of(attempt: Awaitable[HttpAnswer]) -> str:
    with pytest.raises(RequestFailed) as caught:
        await attempt
    return caught.value.code


async def test_http_to_an_allowed_host_carries_host_and_body() -> None:
    site = Site()
    async with serving(site.handle) as port:
        answer = await client(f"127.0.0.1:{port}").post(
            f"http://127.0.0.1:{port}/hook?a=b",
            {"Webhook-Id": "msg_1", "Host": "evil", "Connection": "x"},
            b"{}",
        )
    assert (answer.status, answer.body, answer.ok) == (200, b"ok", True)
    head = site.heads[0].lower()
    assert head.startswith("post /hook?a=b http/1.1\r\n")
    assert f"\r\nhost: 127.0.0.1:{port}\r\n" in head
    assert "\r\nwebhook-id: msg_1\r\n" in head
    assert "evil" not in head


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    site, proxy = Site(), Site()
    async with serving(site.handle) as port, serving(proxy.handle) as proxy_port:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy_port}")
        await client(f"127.0.0.1:{port}").post(f"http://127.0.0.1:{port}/", {}, b"")
    assert len(site.heads) == 1
    assert proxy.heads == []


async def test_certificate_is_checked_for_the_name_while_the_connection_goes_to_the_checked_address(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    shown = authority.server_context("hooks.example")
    site, asked = Site(), []
    shown.sni_callback = lambda _socket, name, _context: asked.append(name)
    resolver = Resolver(lambda host, port: ["127.0.0.1"])
    async with serving(site.handle, shown) as port:
        allowed = Allowed.parse(f"hooks.example:{port}, other.example:{port}")
        trusting = GuardedClient(allowed, resolver=resolver, tls=tls_context(authority.pem))
        answer = await trusting.post(f"https://hooks.example:{port}/", {}, b"")
        wrong_name = await code_of(trusting.post(f"https://other.example:{port}/", {}, b""))
        stranger = GuardedClient(allowed, resolver=resolver)
        unknown_authority = await code_of(stranger.post(f"https://hooks.example:{port}/", {}, b""))
    assert answer.ok
    assert (wrong_name, unknown_authority) == ("tls_failed", "tls_failed")
    assert asked[0] == "hooks.example"
    assert f"host: hooks.example:{port}" in site.heads[0]
    assert len(site.heads) == 1


async def test_a_redirect_is_not_followed_and_no_success() -> None:
    inside = Site()
    async with serving(inside.handle) as inside_port:
        location = f"http://127.0.0.1:{inside_port}/".encode()
        site = Site(b"HTTP/1.1 302 Found\r\nlocation: " + location + b"\r\ncontent-length: 0\r\n\r\n")
        async with serving(site.handle) as port:
            answer = await client("127.0.0.1, " + f"127.0.0.1:{port}").post(
                f"http://127.0.0.1:{port}/", {}, b""
            )
    assert (answer.status, answer.ok) == (302, False)
    assert inside.heads == []


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["1.1.1.1", "127.0.0.1"],
        ["127.0.0.1", "1.1.1.1"],
        ["2606:4700::1111", "::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["0.0.0.0"],
        ["224.0.0.1"],
    ],
)
async def test_one_refused_address_refuses_the_name_before_any_connection(answer: list[str]) -> None:
    dialled = Dialled()
    guarded = client("", resolver=Resolver(lambda host, port: answer), dial=dialled)
    assert await code_of(guarded.post("https://hooks.example/", {}, b"")) == "address_refused"
    assert dialled.to == []


async def test_a_name_that_changes_its_answer_gains_nothing() -> None:
    """Rebinding: what was judged is what is connected to, and each request judges anew."""
    answers = [["127.0.0.1"], ["127.0.0.9"], ["127.0.0.1", "127.0.0.9"], ["127.0.0.1"]]
    asked: list[str] = []

    def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    site, dialled = Site(), Dialled()
    async with serving(site.handle) as port:
        allowed = Allowed(
            ports=frozenset({("rebind.example", port)}),
            networks=Allowed.parse(LOOPBACK).networks,
        )
        guarded = GuardedClient(allowed, resolver=Resolver(changing), dial=dialled)
        url = f"https://rebind.example:{port}/"
        codes = [await code_of(guarded.post(url, {}, b"")) for _ in answers]
    assert codes == ["tls_failed", "address_refused", "address_refused", "tls_failed"]
    assert asked == ["rebind.example"] * 4, "one look-up a request: none between judging and connecting"
    assert dialled.to == ["127.0.0.1"] * 2


async def test_second_address_is_tried_when_the_first_refuses() -> None:
    site, dialled = Site(), Dialled()
    async with serving(site.handle) as port:
        resolver = Resolver(lambda host, port: ["127.0.0.2", "127.0.0.1"])
        guarded = client(f"hooks:{port}", resolver=resolver, dial=dialled)
        answer = await guarded.post(f"http://hooks:{port}/", {}, b"")
    assert answer.ok
    assert dialled.to == ["127.0.0.2", "127.0.0.1"]


async def test_a_url_that_is_no_longer_allowed_is_not_asked() -> None:
    assert await code_of(client("").post("http://127.0.0.1:9/", {}, b"")) == "url_refused"


async def test_endless_answer_is_cut_at_the_cap() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 16_384)
            await writer.drain()

    async with serving(endless) as port:
        answer = await client(f"127.0.0.1:{port}").post(f"http://127.0.0.1:{port}/", {}, b"")
    assert answer.body == b"x" * MAX_ANSWER


async def test_endless_head_ends_as_a_bad_answer() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: " + b"x" * 8_000 + b"\r\n")
            await writer.drain()

    async with serving(endless) as port:
        code = await code_of(client(f"127.0.0.1:{port}").post(f"http://127.0.0.1:{port}/", {}, b""))
    assert code == "bad_answer"


async def test_dripping_answer_ends_at_the_total_time() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(dripping) as port:
        guarded = client(f"127.0.0.1:{port}", total_s=0.5)
        assert await code_of(guarded.post(f"http://127.0.0.1:{port}/", {}, b"")) == "timeout"


async def test_silent_reset_and_closed_servers_have_their_codes() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with serving(silent) as port:
        guarded = client(f"127.0.0.1:{port}", total_s=0.5)
        assert await code_of(guarded.post(f"http://127.0.0.1:{port}/", {}, b"")) == "timeout"
    async with serving(resetting) as port:
        guarded = client(f"127.0.0.1:{port}")
        code = await code_of(guarded.post(f"http://127.0.0.1:{port}/", {}, b""))
        assert code in {"connection_lost", "bad_answer"}
    assert await code_of(guarded.post(f"http://127.0.0.1:{port}/", {}, b"")) == "connect_failed"


async def test_plain_http_on_the_tls_port_is_a_tls_failure() -> None:
    site = Site()
    async with serving(site.handle) as port:
        code = await code_of(client(f"127.0.0.1:{port}").post(f"https://127.0.0.1:{port}/", {}, b""))
    assert code == "tls_failed"


async def test_unknown_name_is_said_so() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError

    guarded = client("", resolver=Resolver(unknown))
    assert await code_of(guarded.post("https://hooks.example/", {}, b"")) == "dns_failed"
