"""The built pages, served on this machine, in a real browser.

Each page is loaded once; what was seen is kept as a `Visit`, and the tests ask it. Without a built site or a browser
the tests are skipped with the reason; ASRLAB_SITE_REQUIRED=1 (set by .ci/run) makes that a failure.
"""

import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from visiting import SITE, Visit, look, open_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",  # a microphone that beeps once a second
]


def unavailable(reason: str):
    if os.environ.get("ASRLAB_SITE_REQUIRED"):
        pytest.fail(reason)
    pytest.skip(reason)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def site():
    """Address of the served site."""
    if not (SITE / "book" / "index.html").exists():
        unavailable(f"{SITE}: no built site; run `make book` first")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        unavailable(f"none of {', '.join(BROWSERS)} is installed; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=executable, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def visits(browser, site):
    """visits(address) -> Visit, each page loaded once."""
    seen = {}

    def visit(address: str) -> Visit:
        if address not in seen:
            seen[address] = look(browser, site, address)
        return seen[address]

    return visit


@pytest.fixture
def opened(browser, site):
    """opened(address, **options) -> a page to act on; closed afterwards."""
    contexts = []

    def open_(address: str, **options):
        page = open_page(browser, site, address, Visit(address), **options)
        contexts.append(page.context)
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def mounted(opened):
    """mounted(address, name, part) -> the first widget of that name on a page, in view, once `part` of it is drawn."""

    def mount(address: str, name: str, part: str):
        widget = opened(address).locator(f'[data-widget="{name}"]').first
        widget.scroll_into_view_if_needed()
        widget.locator(part).first.wait_for(state="attached")
        return widget

    return mount
