"""A real Chromium for the tests of the review page."""

import pytest
from playwright.sync_api import sync_playwright

from web.reviewing import CHROMIUM, FLAGS


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
