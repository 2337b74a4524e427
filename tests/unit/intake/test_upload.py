"""One upload as a stream of chunks: what is accepted, what is refused, what reaches the storage."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from app.domain.errors import DomainError
from app.intake.fields import Wanted
from app.intake.file_part import Limits, Received
from app.intake.upload import receive
from tests.support.forms import PDF, TYPE, Kept, a_file, form, in_chunks, part

LIMITS = Limits(max_mb=0.5, idle_s=60, max_s=60)


def take(
    body: bytes,
    size: int = 64 * 1024,
    content_type: str | None = TYPE,
    kept: Kept | None = None,
    limits: Limits = LIMITS,
) -> Kept:
    kept = kept or Kept()
    asyncio.run(receive(in_chunks(body, size), content_type, limits, kept))
    return kept


def refused(body: bytes, content_type: str | None = TYPE, kept: Kept | None = None) -> DomainError:
    with pytest.raises(DomainError) as raised:
        take(body, content_type=content_type, kept=kept)
    return raised.value


@pytest.mark.parametrize("size", [1, 7, 1024, 10**6])
def test_however_it_is_cut_the_file_arrives_whole(size: int) -> None:
    kept = Kept()
    take(form(part('name="prompt"', b"What is it?"), a_file()), size, kept=kept)
    assert b"".join(kept.blocks) == PDF
    assert kept.received == [Received("resume.pdf", len(PDF), hashlib.sha256(PDF).hexdigest())]
    assert kept.wanted == [Wanted({"prompt": "What is it?"})]


def test_bytes_go_to_the_storage_in_large_blocks() -> None:
    kept = Kept()
    take(form(a_file(PDF + b"x" * 500_000)), 1000, kept=kept)
    assert [len(block) >= 256 * 1024 for block in kept.blocks] == [True, False]


def test_a_file_with_bytes_before_its_signature_is_a_pdf() -> None:
    assert take(form(a_file(b"\n" * 1000 + PDF))).received[0].size == 1000 + len(PDF)


def test_a_file_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not() -> None:
    exact = PDF + b"x" * (LIMITS.max_bytes - len(PDF))
    assert take(form(a_file(exact))).received[0].size == LIMITS.max_bytes
    error = refused(form(a_file(exact + b"x")))
    assert error.code == "file_too_large"
    assert "MAX_UPLOAD_MB" in error.message


def test_a_body_that_pads_its_form_without_end_is_refused() -> None:
    assert refused(b"\r\n" * LIMITS.max_body).code == "file_too_large"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(form(), "file_missing", id="no part at all"),
        pytest.param(form(part('name="prompt"', b"hello")), "file_missing", id="no file"),
        pytest.param(
            form(a_file(b"", 'name="file"; filename=""')), "file_missing", id="form sent with no file chosen"
        ),
        pytest.param(form(a_file(b"")), "file_empty", id="empty file"),
        pytest.param(form(a_file(b"GIF89a" * 400)), "unsupported_type", id="not a PDF"),
        pytest.param(form(a_file(b"%PD")), "unsupported_type", id="too short for a PDF"),
        pytest.param(
            form(a_file(b"x" * 1020 + PDF)), "unsupported_type", id="signature across the first kilobyte"
        ),
        pytest.param(form(a_file(), a_file()), "too_many_files", id="two files"),
        pytest.param(form(*[part('name="prompt"', b"")] * 2), "invalid_field", id="prompt twice"),
        pytest.param(form(*[part('name="prompt"', b"")] * 11), "too_many_parts", id="eleven parts"),
        pytest.param(form(a_file(), part('name="pages"', b"1")), "unknown_field", id="unknown field"),
        pytest.param(form(part('name="prompt"', b"x" * 4001), a_file()), "invalid_field", id="long prompt"),
        pytest.param(
            form(part('name="prompt"', b"x" * 10**5), a_file()), "invalid_field", id="very long prompt"
        ),
        pytest.param(
            form(part('name="metadata"', b'{"a": 1}'), a_file()), "invalid_field", id="metadata is not text"
        ),
        pytest.param(
            form(part('name="prompt"', b"\xff"), a_file()), "invalid_field", id="prompt is not text"
        ),
        pytest.param(a_file(), "malformed_multipart", id="no closing boundary"),
        pytest.param(form(a_file())[:-40], "malformed_multipart", id="truncated"),
        pytest.param(b"junk", "malformed_multipart", id="not multipart"),
        pytest.param(b"", "malformed_multipart", id="no body"),
        pytest.param(form(part("filename=x", PDF)), "malformed_multipart", id="part without a name"),
        pytest.param(
            form(a_file(PDF, 'name="file"; filename="%s"' % ("x" * 5000))),
            "malformed_multipart",
            id="long header",
        ),
        pytest.param(
            form(part('name="file"', PDF, "A: b\r\n" * 9)), "malformed_multipart", id="many headers"
        ),
    ],
)
def test_what_is_not_one_good_document_is_refused(body: bytes, code: str) -> None:
    assert refused(body).code == code


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        (None, "file_missing"),
        ("application/json", "file_missing"),
        ("application/x-www-form-urlencoded", "file_missing"),
        ("multipart/form-data", "malformed_multipart"),
        ("multipart/form-data; boundary=" + "x" * 300, "malformed_multipart"),
    ],
)
def test_a_request_that_is_not_a_form_is_refused(content_type: str | None, code: str) -> None:
    assert refused(form(a_file()), content_type).code == code


def test_nothing_is_opened_before_the_signature_was_seen() -> None:
    kept = Kept()
    refused(form(a_file(b"MZ" * 100_000)), kept=kept)
    refused(form(a_file(b"")), kept=kept)
    assert kept.opened == 0


def test_an_unknown_field_is_named_as_far_as_it_is_fit_to_show() -> None:
    assert "'colour'" in refused(form(part('name="colour"', b"red"))).message
    assert "\x1b" not in refused(form(part('name="a\x1b[31m"', b"red"))).message


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="file"; filename="Résumé 2024.pdf"', "Résumé 2024.pdf"),
        ('name="file"; filename="../../etc/passwd"', "passwd"),
        ('name="file"; filename="C:\\\\temp\\\\cv.pdf"', "cv.pdf"),
        ("name=file; filename=cv.pdf", "cv.pdf"),
        ("name=\"file\"; filename*=utf-8''%E5%B1%A5%E6%AD%B4.pdf", "履歴.pdf"),
        ('name="file"', "document"),
        ('name="file"; filename=""', "document"),
    ],
)
def test_the_clients_name_is_kept_as_data(disposition: str, name: str) -> None:
    assert take(form(a_file(PDF, disposition))).received[0].name == name


def test_a_webhook_url_is_kept_as_it_was_written() -> None:
    url = "https://Hooks.example/a?b=c"
    assert take(form(part('name="webhook_url"', url.encode()), a_file())).wanted[0].webhook_url == url
    assert take(form(part('name="webhook_url"', b" "), a_file())).wanted[0].webhook_url is None


@pytest.mark.parametrize(
    "url", ["http://hooks.example/", "https://127.0.0.1/", "https://hooks.example:22/", "hooks.example"]
)
def test_a_webhook_url_that_can_never_be_called_refuses_the_upload(url: str) -> None:
    assert refused(form(part('name="webhook_url"', url.encode()), a_file())).code == "invalid_webhook_url"


def test_a_webhook_url_is_one_and_not_endless() -> None:
    one = part('name="webhook_url"', b"https://hooks.example/")
    assert refused(form(one, one, a_file())).code == "invalid_field"
    endless = part('name="webhook_url"', b"https://hooks.example/" + b"a" * 9_000)
    assert refused(form(endless, a_file())).code == "invalid_field"


def test_an_empty_prompt_counts_as_none() -> None:
    assert take(form(a_file(), part('name="prompt"', b"  "))).wanted[0].options == {}


def test_an_upload_that_stands_still_is_cut_off() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield form(a_file())[:500]
        await asyncio.Event().wait()

    limits = Limits(max_mb=1, idle_s=0.05, max_s=60)
    with pytest.raises(DomainError) as raised:
        asyncio.run(receive(stuck(), TYPE, limits, Kept()))
    assert raised.value.code == "upload_too_slow"


def test_an_upload_that_trickles_is_cut_off_in_the_end() -> None:
    async def trickle() -> AsyncIterator[bytes]:
        yield form(a_file())[:500]
        while True:
            await asyncio.sleep(0.001)
            yield b"x"

    limits = Limits(max_mb=100, idle_s=60, max_s=0.1)
    with pytest.raises(DomainError) as raised:
        asyncio.run(receive(trickle(), TYPE, limits, Kept()))
    assert raised.value.code == "upload_too_slow"
