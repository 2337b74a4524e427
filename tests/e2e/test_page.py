"""The page in a real browser: what a person does with it, and what a result may not do."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import count

import pytest
from bson import ObjectId

from tests.support.stack import ROOT, Stack

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from tests.support.browser import (  # noqa: E402  (needs playwright)
    CHROMIUM,
    NO_CHROMIUM,
    chromium,
    drop,
    page_of,
    serious_faults,
    spilling,
)

Browser, Page, expect = playwright.Browser, playwright.Page, playwright.expect
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

RESUME = (ROOT / "examples" / "resume.pdf").read_bytes()
REPORT = (ROOT / "examples" / "report-10-pages.pdf").read_bytes()
RUN = "document.documentElement.dataset.ran = 1"
HOSTILE = f"""# Harmless heading

<script>{RUN}</script>
<img src="http://127.0.0.1:9/seen.png" onerror="{RUN}">
![a picture](http://127.0.0.1:9/seen-too.png)
[press me](javascript:{RUN.replace(" ", "")})
<a href="&#106;avascript:{RUN}">or me</a>
<svg onload="{RUN}"><script>{RUN}</script><a xlink:href="javascript:{RUN}"><text>svg</text></a></svg>
<math><mtext><table><mglyph><style><img src=x onerror="{RUN}"></style></mglyph></table></mtext></math>
<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>
<form action="http://127.0.0.1:9/"><input name="key"><button>Send</button></form>
<div style="position:fixed;inset:0" class="bar" id="main" onclick="{RUN}">over everything</div>

[a good link](https://example.com/a)

| one | two |
|---|---|
| 1 | 2 |

Harmless end.
"""
MARKUP_NAME = f"<img src=x onerror='{RUN}'>.pdf"
FORBIDDEN = (
    "script, img, svg, math, style, iframe, form, input, button, "
    "[id], [style], [onerror], [onclick], [onload]"
)
_numbers = count()


def fresh(document: bytes) -> bytes:
    """The same pages, other bytes: no answer of an earlier test fits."""
    return document + b"\n%%%d" % next(_numbers)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture(scope="module")
def closed_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One that asks for keys."""
    with Stack(tmp_path_factory.mktemp("closed-page"), {"AUTH": "required"}) as running:
        yield running


def row(page: Page, file_id: str) -> playwright.Locator:
    return page.locator(f".row[data-id='{file_id}']")


def rewritten(stack: Stack, result: str, data: dict[str, object] | None = None, name: str = "a.pdf") -> str:
    """A finished document with this result, as a model could have answered."""
    file_id = stack.upload(fresh(RESUME), name)
    stack.wait(file_id, "api call done")
    change = {"$set": {"result": result, "data": data}, "$inc": {"revision": 1}}
    stack.files.update_one({"_id": ObjectId(file_id)}, change)
    return file_id


def make_key(stack: Stack) -> str:
    argv = [sys.executable, "-m", "app.cli", "keys", "create", "--name", "visitor"]
    env = stack.processes["api"].env
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_browser_is_sent_to_the_page_and_a_health_check_is_not(stack: Stack, browser: Browser) -> None:
    with page_of(browser, f"{stack.url}/") as page:
        expect(page).to_have_url(f"{stack.url}/ui")
        expect(page).to_have_title("Documents · Full-RAG")
    with stack.client() as client:
        assert client.get("/").json() == {"status": "healthy"}


def test_three_dropped_files_are_read_and_shown_and_one_is_deleted(stack: Stack, browser: Browser) -> None:
    files = [("first.pdf", fresh(RESUME)), ("second.pdf", fresh(REPORT)), ("third.pdf", fresh(RESUME))]
    with page_of(browser, f"{stack.url}/ui") as page:
        drop(page, ".drop", files)
        rows = {name: page.locator(".row").filter(has_text=name) for name, _ in files}
        for one in rows.values():
            expect(one.locator(".badge")).to_have_text("Done")
        rows["second.pdf"].get_by_role("link").click()
        expect(page.locator("h1")).to_have_text("second.pdf")
        expect(page.locator("h1")).to_be_focused()
        expect(page.locator(".thumb")).to_have_count(10)
        expect(page.locator(".thumb img").first).to_be_visible()
        assert page.locator(".thumb img").first.evaluate("(image) => image.naturalWidth") > 50
        expect(page.locator(".prose")).to_contain_text("Annual Report")
        page.get_by_role("button", name="Delete second.pdf").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(rows["third.pdf"]).to_have_count(1)
        expect(rows["second.pdf"]).to_have_count(0)
    with stack.client() as client:
        assert [one["name"] for one in client.get("/files?name=second.pdf").json()["files"]] == []


def test_a_document_that_waits_says_for_what_and_can_be_cancelled_and_retried(
    stack: Stack, browser: Browser
) -> None:
    stack.processes["worker"].stop()
    file_id = stack.upload(fresh(RESUME), "patient.pdf")
    with page_of(browser, f"{stack.url}/ui#/d/{file_id}") as page:
        try:
            expect(page.locator(".progress-box")).to_contain_text("Waiting")
            page.get_by_role("button", name="Cancel patient.pdf").click()
            expect(page.locator(".badge")).to_have_text("Cancelled")
            page.get_by_role("button", name="Retry patient.pdf").click()
            expect(page.locator(".badge")).to_have_text("Waiting")
        finally:
            stack.restart("worker")
        expect(page.locator(".badge")).to_have_text("Done")
        expect(page.locator(".prose")).to_contain_text("Nadia")


def test_where_streams_do_not_come_through_the_page_asks(stack: Stack, browser: Browser) -> None:
    with page_of(browser, f"{stack.url}/ui") as page:
        page.route("**/events", lambda route: route.abort())
        page.goto(f"{stack.url}/ui#/d/{stack.upload(fresh(REPORT))}")
        expect(page.locator(".prose")).to_contain_text("Annual Report")


def test_an_upload_that_failed_is_repeated_with_its_idempotency_key(stack: Stack, browser: Browser) -> None:
    keys: list[str] = []
    content = fresh(RESUME)
    with page_of(browser, f"{stack.url}/ui") as page:

        def the_first_is_lost(route: playwright.Route) -> None:
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) == 1:
                route.abort()
            else:
                route.continue_()

        page.route("**/upload", the_first_is_lost)
        drop(page, ".drop", [("once.pdf", content)])
        notice = page.locator(".upload [role=alert]")
        expect(notice).to_contain_text("once.pdf was not uploaded")
        notice.get_by_role("button", name="Try again").click()
        expect(page.locator(".upload")).to_have_count(0)
        uploaded = page.locator(".row").filter(has_text="once.pdf")
        expect(uploaded.locator(".badge")).to_have_text("Done")
        file_id = uploaded.get_attribute("data-id")
    assert len(keys) == 2 and len(set(keys)) == 1
    same = {"Idempotency-Key": keys[0], "Cache-Control": "no-cache"}  # Playwright's routes ask for no cache
    assert stack.upload(content, "once.pdf", **same) == file_id


def test_a_refused_file_is_told_in_the_server_s_words(stack: Stack, browser: Browser) -> None:
    with page_of(browser, f"{stack.url}/ui") as page:
        drop(page, ".drop", [("letter.pdf", b"no PDF at all")])
        expect(page.locator(".upload [role=alert]")).to_contain_text("Send a PDF")


def test_a_hostile_result_does_nothing(stack: Stack, browser: Browser) -> None:
    hostile_data = {"name": f"<img src=x onerror='{RUN}'>", "links": [{"to": f"javascript:{RUN}"}]}
    file_id = rewritten(stack, HOSTILE, hostile_data, MARKUP_NAME)
    asked: list[str] = []
    with page_of(browser, "about:blank") as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{stack.url}/ui#/d/{file_id}")
        prose = page.locator(".prose")
        expect(prose).to_contain_text("Harmless end.")
        expect(page.locator("h1")).to_have_text(MARKUP_NAME)
        expect(page.locator(".data").first).to_contain_text("onerror")
        expect(page.locator(".thumb img").first).to_be_visible()
        assert prose.locator(FORBIDDEN).count() == 0
        links = prose.locator("a[href]")
        assert links.evaluate_all("(all) => all.map((a) => [a.href, a.rel])") == [
            ["https://example.com/a", "noopener noreferrer nofollow"]
        ]
        for text in ("press me", "or me"):
            prose.get_by_text(text).click()
        assert page.evaluate("document.documentElement.dataset.ran") is None
        page.goto(f"{stack.url}/ui#/")
        expect(row(page, file_id).get_by_role("link")).to_have_text(MARKUP_NAME)
        assert page.evaluate("document.documentElement.dataset.ran") is None
    assert {url for url in asked if not re.match(f"(blob:)?{stack.url}/", url)} == set()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(stack: Stack, browser: Browser, scheme: str) -> None:
    file_id = rewritten(stack, HOSTILE, {"skills": [{"name": "Python", "years": 7}], "city": None})
    with page_of(browser, f"{stack.url}/ui#/d/{file_id}", color_scheme=scheme) as page:
        expect(page.locator(".thumb img").first).to_be_visible()
        assert serious_faults(page) == []
        page.locator(".thumb").first.click()
        expect(page.locator(".page-large img")).to_be_visible()
        assert serious_faults(page) == []
        page.keyboard.press("Escape")
        expect(page.locator(".thumb").first).to_be_focused()
        page.get_by_role("button", name="Delete").click()
        assert serious_faults(page) == []
        page.keyboard.press("Escape")
        page.goto(f"{stack.url}/ui#/")
        drop(page, ".drop", [("letter.pdf", b"no PDF at all")])
        expect(page.locator(".upload [role=alert]")).to_be_visible()
        expect(page.locator(".row").first).to_be_visible()
        assert serious_faults(page) == []
        page.goto(f"{stack.url}/ui#/d/{'0' * 24}")
        expect(page.get_by_role("alert")).to_contain_text("no such document")
        assert serious_faults(page) == []


def test_nothing_spills_over_a_narrow_screen(stack: Stack, browser: Browser) -> None:
    wide = "| " + " | ".join("wide column" for _ in range(12)) + " |\n" + "|---" * 12 + "|\n"
    text = f"# {'W' * 200}\n\n{wide}\n\n```\n{'x' * 300}\n```\n\n{'y' * 300}"
    file_id = rewritten(stack, text, {"k" * 40: ["v" * 100]}, "n" * 120 + ".pdf")
    small = {"viewport": {"width": 360, "height": 740}}
    with page_of(browser, f"{stack.url}/ui#/d/{file_id}", **small) as page:
        expect(page.locator(".thumb img").first).to_be_visible()
        assert spilling(page) == []
        page.goto(f"{stack.url}/ui#/")
        expect(row(page, file_id)).to_be_visible()
        assert spilling(page) == []
        page.goto(f"{stack.url}/ui#/batches")
        expect(page.locator("h1")).to_have_text("Batches")
        assert spilling(page) == []


def test_without_a_pointer_a_document_is_found_opened_and_left_again(stack: Stack, browser: Browser) -> None:
    file_id = rewritten(stack, "# By keyboard", name="by keyboard.pdf")
    with page_of(browser, f"{stack.url}/ui") as page:
        expect(row(page, file_id)).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.get_by_label("Name holds").focus()
        page.keyboard.type("by keyboard")
        expect(page.locator(".row")).to_have_count(1)
        row(page, file_id).get_by_role("link").focus()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_be_focused()
        expect(page.locator(".prose")).to_have_text("By keyboard")
        page.go_back()
        expect(row(page, file_id)).to_be_visible()


def test_a_wrong_key_is_told_and_the_right_one_opens(closed_stack: Stack, browser: Browser) -> None:
    key = make_key(closed_stack)
    with page_of(browser, f"{closed_stack.url}/ui") as page:
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("asks for an API key")
        page.get_by_label("Key", exact=True).fill(key[:-3] + "xyz")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("This API key is not known here")
        assert serious_faults(page) == []
        page.get_by_label("Key", exact=True).fill(key)
        page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        expect(page.locator(".empty")).to_be_visible()
        drop(page, ".drop", [("mine.pdf", fresh(RESUME))])
        expect(page.locator(".row .badge")).to_have_text("Done")
        page.locator(".row").get_by_role("link").click()
        expect(page.locator(".thumb img").first).to_be_visible()
        assert key not in page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
    with page_of(browser, f"{closed_stack.url}/ui") as page:  # another visitor, another session
        expect(page.get_by_role("dialog")).to_contain_text("asks for an API key")
