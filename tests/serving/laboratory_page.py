"""The page in a real browser: how a test opens it, signs in, and brings pictures."""

import base64
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from hematovision.data.decoding import encode_png
from hematovision.serving.access import Role
from tests.serving.running import Running

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENT = 90_000  # milliseconds, on a busy machine
expect.set_options(timeout=PATIENT)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; skips where the machine has none."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(CHROMIUM)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page at work, and what it did that nobody sees.

    Attributes:
        complaints: errors on its console, breaches of its policy among them. asked: addresses it asked for.
    """

    page: Page
    key: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def cells(self) -> Any:
        """The options of the gallery that are shown."""
        return self.page.locator("#gallery [role=option]:visible")

    def drop(self, files: Mapping[str, bytes]) -> None:
        """Drop files onto the page."""
        given = {name: base64.b64encode(data).decode() for name, data in files.items()}
        transfer = self.page.evaluate_handle(
            """files => {
                const transfer = new DataTransfer();
                for (const [name, data] of Object.entries(files))
                    transfer.items.add(new File([Uint8Array.from(atob(data), sign => sign.charCodeAt(0))], name));
                return transfer;
            }""",
            given,
        )
        self.page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})

    def said(self) -> Any:
        """What a screen reader was told last."""
        return self.page.locator("#said")


@contextmanager
def signed_in(
    browser: Browser, service: Running, role: Role, view: str = "classify", **context: Any
) -> Iterator[Opened]:
    """The page, signed in as a person would; complains of errors of scripts and breaches of the policy."""
    made = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | context)
    made.set_default_timeout(PATIENT)
    opened = Opened(made.new_page(), service.keys[role])
    opened.page.on("console", lambda line: opened.complaints.append(line.text) if _complains(line) else None)
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.on("request", lambda request: opened.asked.append(request.url))
    opened.page.goto(f"{service.address}/#{view}")
    opened.page.get_by_label("Your key").fill(opened.key)
    opened.page.get_by_role("button", name="Sign in").click()
    expect(opened.page.locator(f"#{view}-title")).to_be_focused()
    yield opened
    made.close()
    assert opened.complaints == []


def _complains(line: ConsoleMessage) -> bool:
    """Of scripts and of the policy; what the service answers is its affair, and the page's to handle."""
    return line.type == "error" and not line.text.startswith("Failed to load resource")


def noisy(colour: tuple[int, int, int], seed: int) -> bytes:
    """A PNG of one colour, near enough, and a different one for every seed."""
    noise = np.random.default_rng(seed).integers(0, 20, (64, 64, 3))
    return encode_png((np.array(colour) + noise).clip(0, 255).astype(np.uint8))
