"""A real browser for tests: Debian's Chromium, driven by Playwright; nothing is downloaded.

`evaluate` is used for looking, never `wait_for_function`: the page's policy forbids `eval`, rightly.
"""

import base64
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
NO_CHROMIUM = "chromium is not installed (Debian: apt-get install chromium)"
PATIENCE_MS = 60_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).resolve().parents[1] / "data" / "vendor" / "axe.min.js"
DROP = """(files) => {
    const held = new DataTransfer();
    for (const [name, content] of files) {
        const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        held.items.add(new File([bytes], name, { type: "application/pdf" }));
    }
    return held;
}"""
SPILLING = """() => [...document.querySelectorAll("body *")]
    .filter((one) => !one.closest(".scroll, .thumbs, pre, .visually-hidden"))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .map((one) => `${one.tagName}.${one.className}`)"""


@contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS)
        yield browser
        browser.close()


@contextmanager
def page_of(browser: Browser, address: str, **settings: Any) -> Iterator[Page]:
    """A fresh visitor's page at `address`. A fault in a script of the page fails the test."""
    context = browser.new_context(**settings)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert not faults


def drop(page: Page, place: str, files: Sequence[tuple[str, bytes]]) -> None:
    """Drop files on the element, as from a folder on the desktop."""
    encoded = [[name, base64.b64encode(content).decode()] for name, content in files]
    held = page.evaluate_handle(DROP, encoded)
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(place, event, {"dataTransfer": held})


def spilling(page: Page) -> list[str]:
    """What reaches over the right edge of the window."""
    wider = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    found: list[str] = page.evaluate(SPILLING)
    return [*found, *(["the page scrolls sideways"] if wider else [])]


def serious_faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical on the page as it is now."""
    page.evaluate(AXE.read_text(encoding="utf-8") + ";undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes']]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
