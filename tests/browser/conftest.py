"""One Chromium and one server for all tests in a browser, which run in one process one after the other."""

import os
import signal
from pathlib import Path

import pytest
from playwright import sync_api as playwright
from playwright.sync_api import expect

from tests.helpers.browser import ARGUMENTS, CHROMIUM, PATIENCE, Server, settle

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """Mark what needs a browser; skip it where there is none, but not in CI."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))
            if not CHROMIUM and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))


@pytest.fixture(scope="session")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill(signal.SIGTERM)


@pytest.fixture
def blank(browser):
    """Open empty pages for visitors who were never here; what a page throws fails the test."""
    contexts, thrown = [], []

    def opened(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: thrown.append(error))
        page.set_default_timeout(PATIENCE)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not thrown


@pytest.fixture
def visit(blank):
    """Open a page as a visitor who was never here."""

    def opened(url):
        page = blank(accept_downloads=True, viewport={"width": 1280, "height": 1400})
        page.goto(url)
        settle(page)
        return page

    return opened
