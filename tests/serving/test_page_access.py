"""The page for everybody: screen readers, narrow screens, dark rooms, people whom motion makes ill."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from hematovision.feedback.records import new_id
from tests.serving.laboratory_page import Opened, chromium, noisy, signed_in
from tests.serving.running import Running
from tests.serving.small_models import CLASSES

VIEWS = ("classify", "review", "status")
NAMED = {
    "button",
    "link",
    "textbox",
    "combobox",
    "option",
    "listbox",
    "img",
    "image",
    "region",
    "navigation",
    "checkbox",
}

PROBES = (Path(__file__).parent / "page_probes.js").read_text().rstrip().rstrip(";")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site(service: Running) -> str:
    """A place with one correction that waits, and one prediction nobody has looked at."""
    site = f"ward {new_id()}"
    with service.client() as client:
        files = [("images", (name, noisy((120, 126, 120), seed))) for seed, name in enumerate("ab")]
        answered = client.post("/v1/predictions", files=files, params={"site": site}).json()["predictions"]
        client.post("/v1/feedback", json={"prediction_id": answered[0]["id"], "label": CLASSES[2]})
    return site


def _each_view(lab: Opened, site: str) -> Iterator[str]:
    """Open view by view, each with something in it."""
    for view in VIEWS:
        if view != "classify":
            lab.page.locator(f"#views a[href='#{view}']").click()
        if view == "classify":
            lab.drop(
                {"a long name of a cell/of-a-slide-with-a-long-name.png": noisy((0, 0, 0), 7), "notes.txt": b"text"}
            )
            expect(lab.cells()).to_have_count(1)
            expect(lab.page.locator("#left-out")).to_be_visible()
        if view == "review":
            lab.page.get_by_label("Only from").fill(site)
            lab.page.get_by_label("Only from").press("Enter")
            expect(lab.page.locator("#queue [role=option] img")).to_have_count(2)
            expect(lab.page.locator("#queue .panel")).to_contain_text("History")
        if view == "status":
            expect(lab.page.locator("svg.strip").first).to_be_visible()
        yield view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_from_its_ground(browser: Browser, service: Running, site: str, scheme: str) -> None:
    with signed_in(browser, service, "review", color_scheme=scheme) as lab:
        for view in _each_view(lab, site):
            assert _asked(lab, "faintText") == [], view
        lab.page.get_by_role("button", name="Sign out").click()
        expect(lab.page.get_by_label("Your key")).to_be_visible()
        assert _asked(lab, "faintText") == []


def test_a_narrow_screen_needs_no_sideways_scrolling(browser: Browser, service: Running, site: str) -> None:
    narrow = {"width": 360, "height": 640}
    with signed_in(browser, service, "review", viewport=narrow, has_touch=True) as lab:
        for view in _each_view(lab, site):
            assert _asked(lab, "tooWide") == [360, []], view
            assert _asked(lab, "smallTargets") == [], view


def test_a_screen_reader_finds_its_way(browser: Browser, service: Running, site: str) -> None:
    with signed_in(browser, service, "review") as lab:
        for view in _each_view(lab, site):
            nodes = _tree(lab)
            roles = [role for role, _ in nodes]
            for landmark in ("banner", "navigation", "main", "contentinfo", "complementary"):
                assert roles.count(landmark) == 1, (view, landmark)
            nameless = [node for node in nodes if node[0] in NAMED and not node[1]]
            assert not nameless, (view, nameless)
            levels = [int(heading[1]) for heading in _asked(lab, "headings")]
            assert levels[0] == 1 and levels.count(1) == 1
            assert all(after - before <= 1 for before, after in pairwise(levels)), (view, levels)
            assert lab.page.locator(f"#views a[href='#{view}']").get_attribute("aria-current") == "page"
            assert lab.page.title().endswith("HematoVision") and lab.page.title() != "HematoVision"
        assert lab.page.locator("html").get_attribute("lang") == "en"
        ids = lab.page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
        assert len(ids) == len(set(ids))


def test_a_cell_is_told_in_words(browser: Browser, service: Running) -> None:
    with signed_in(browser, service, "predict") as lab:
        lab.drop({"one.png": noisy((60, 190, 60), 1)})
        expect(lab.page.get_by_role("option", name=f"one.png; model: {CLASSES[1]}, 99")).to_be_visible()
        expect(lab.page.get_by_role("listbox", name="Answered cells")).to_be_visible()
        choice = lab.page.get_by_role("button", name=f"{CLASSES[1]}, 99")
        assert "the model’s answer" in (choice.get_attribute("aria-label") or "")
        assert choice.get_attribute("aria-keyshortcuts") == f"2 {CLASSES[1][0]}"
        lab.cells().first.press("2")
        expect(lab.page.get_by_role("status")).to_have_text(f"Confirmed: {CLASSES[1]}, pending.")
        expect(choice).to_have_attribute("aria-pressed", "true")


def test_focus_is_seen_wherever_it_is(browser: Browser, service: Running) -> None:
    with signed_in(browser, service, "review") as lab:
        lab.drop({"one.png": noisy((60, 190, 60), 1)})
        expect(lab.cells()).to_have_count(1)
        seen = set()
        for _ in range(25):
            lab.page.keyboard.press("Tab")
            name, width = lab.page.evaluate(
                "[document.activeElement.outerHTML.slice(0, 60), getComputedStyle(document.activeElement).outlineWidth]"
            )
            assert width == "3px" or "<body" in name, name
            seen.add(name)
        assert len(seen) > 15


def test_nothing_moves_for_those_whom_it_makes_ill(browser: Browser, service: Running) -> None:
    for motion, moves in (("reduce", False), ("no-preference", True)):
        with signed_in(browser, service, "predict", reduced_motion=motion) as lab:
            lab.drop({"one.png": noisy((60, 190, 60), 1)})
            expect(lab.cells()).to_have_count(1)
            assert (_asked(lab, "moving") > 0) is moves


def _asked(lab: Opened, probe: str) -> Any:
    return lab.page.evaluate(f"{PROBES}.{probe}()")


def _tree(lab: Opened) -> list[tuple[str, str]]:
    """(role, name) of all that a screen reader is told."""
    session = lab.page.context.new_cdp_session(lab.page)
    nodes = [node for node in session.send("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")]
    return [(node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in nodes]
