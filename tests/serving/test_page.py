"""The laboratory's page in headless Chromium, on the real service."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from hematovision.data.decoding import encode_png
from hematovision.feedback.records import new_id
from hematovision.monitoring.history import open_history
from hematovision.serving.laboratory import PAGE
from tests.monitoring.test_history import check
from tests.serving.laboratory_page import Opened, chromium, noisy, signed_in
from tests.serving.running import LIMITS, Running
from tests.serving.small_models import CLASSES, cell

GREEN, RED = noisy((60, 190, 60), 1), noisy((200, 40, 50), 2)
FAINT = (120, 126, 120)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def lab(browser: Browser, service: Running) -> Iterator[Opened]:
    with signed_in(browser, service, "predict") as opened:
        yield opened


def test_a_dropped_picture_is_answered_with_all_a_person_needs(lab: Opened) -> None:
    lab.drop({"one.png": GREEN})
    expect(lab.cells()).to_have_count(1)
    expect(lab.cells().first).to_contain_text(CLASSES[1])
    expect(lab.cells().first).to_contain_text("99.")
    panel = lab.page.locator("#gallery .panel")
    expect(panel).to_contain_text(f"Only {CLASSES[1]} is left at 95 %")
    assert panel.locator(".choice").count() == len(CLASSES)
    expect(lab.page.get_by_text("Not a medical device.")).to_be_visible()
    expect(lab.page.get_by_text("Trained on generated cells only.")).to_be_visible()


def test_the_heat_map_comes_when_it_is_asked_for(lab: Opened) -> None:
    lab.drop({"one.png": GREEN})
    lab.cells().first.press("h")
    drawn = lab.page.get_by_alt_text(f"Where the model looked for {CLASSES[1]}")
    expect(drawn).to_be_visible()
    assert drawn.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    lab.cells().first.press("h")
    expect(drawn).to_have_count(0)


def test_what_needs_a_person_says_so(lab: Opened) -> None:
    lab.drop({"between.png": encode_png(cell((240, 240, 10))), "sure.png": GREEN})
    expect(lab.cells()).to_have_count(2)
    panel = lab.page.locator("#gallery .panel")
    expect(panel).to_contain_text(f"Refer to a person: 2 classes cannot be excluded: {CLASSES[0]}, {CLASSES[1]}.")
    lab.page.get_by_label("Show").select_option("refer")
    expect(lab.cells()).to_have_count(1)
    lab.page.get_by_label("Show").select_option("said")
    expect(lab.cells()).to_have_count(0)


def test_one_key_corrects_and_undo_takes_it_back(lab: Opened, service: Running) -> None:
    lab.drop({"one.png": noisy(FAINT, new_seed())})
    option = lab.cells().first
    option.press("3")
    expect(option).to_contain_text("corrected")
    expect(lab.said()).to_have_text(f"Corrected: {CLASSES[2]}, pending.")
    option.press(CLASSES[0][0])
    expect(lab.said()).to_have_text(f"Corrected: {CLASSES[0]}, pending.")
    option.press("u")
    expect(lab.said()).to_have_text(f"Taken back; {CLASSES[2]} again.")
    option.press("u")
    expect(lab.said()).to_have_text("Taken back.")
    assert "corrected" not in option.inner_text()
    prediction = re.search(r"id ([0-9a-f-]{36})", lab.page.locator(".panel").first.inner_text())
    assert prediction
    assert {item.state for item in _items_of(service, prediction[1])} == {"rejected"}


def test_keys_are_about_the_cell_that_has_the_focus_however_it_came_by_it(lab: Opened) -> None:
    lab.drop({"a.png": noisy(FAINT, new_seed()), "b.png": noisy(FAINT, new_seed())})
    expect(lab.cells()).to_have_count(2)
    lab.cells().nth(1).evaluate("option => option.focus()")
    lab.page.keyboard.press("3")
    expect(lab.cells().nth(1)).to_contain_text("corrected")
    assert "corrected" not in lab.cells().first.inner_text()


def test_two_quick_keys_are_kept_in_their_order(lab: Opened, service: Running) -> None:
    lab.drop({"one.png": noisy(FAINT, new_seed())})
    expect(lab.cells()).to_have_count(1)
    lab.cells().first.focus()
    for key in "13":
        lab.page.keyboard.press(key)
    expect(lab.said()).to_have_text(f"Corrected: {CLASSES[2]}, pending.")
    prediction = re.search(r"id ([0-9a-f-]{36})", lab.page.locator(".panel").first.inner_text())
    assert prediction
    states = {item.label: item.state for item in _items_of(service, prediction[1])}
    assert states == {CLASSES[0]: "rejected", CLASSES[2]: "pending"}


def test_a_folder_goes_in_batches_within_the_limits_and_can_be_stopped(lab: Opened) -> None:
    sizes: list[int] = []
    held: list[Route] = []

    def watch(route: Route) -> None:
        sizes.append((route.request.post_data_buffer or b"").count(b'name="images"'))
        if len(sizes) > 2:
            held.append(route)
        else:
            route.continue_()

    lab.page.route("**/v1/predictions", watch)
    lab.drop({f"cells/{number}.png": noisy((60, 190, 60), number) for number in range(20)} | {"cells/Thumbs.db": b"x"})
    expect(lab.cells()).to_have_count(2 * LIMITS["images"])
    lab.page.get_by_role("button", name="Stop sending").click()
    expect(lab.page.locator("#sent-text")).to_have_text("12 of 20 pictures sent; stopped")
    lab.page.unroute("**/v1/predictions")
    lab.page.get_by_role("button", name="Send the rest").click()
    expect(lab.cells()).to_have_count(20)
    expect(lab.page.locator("#tally")).to_contain_text("20 cells answered")
    assert max(sizes) <= LIMITS["images"]
    names = lab.page.locator("#gallery [role=option]").evaluate_all(
        "all => all.map(one => one.ariaLabel.split(';')[0])"
    )
    assert len(set(names)) == 20 and not any("Thumbs" in name for name in names)


def test_files_that_are_no_pictures_are_listed_with_the_reason(lab: Opened) -> None:
    lab.drop({"good.png": GREEN, "notes.txt": b"just text", "huge.tif": bytes(LIMITS["body_bytes"]), "empty.png": b""})
    expect(lab.cells()).to_have_count(1)
    left = lab.page.locator("#left-out")
    expect(left.locator("summary")).to_have_text("3 files not answered")
    expect(left).to_contain_text("notes.txt: not an image (it looks like text)")
    expect(left).to_contain_text("too large for the service")
    expect(left).to_contain_text("empty.png: the file is empty")


def test_pictures_that_do_not_fit_one_request_are_answered_in_others(lab: Opened) -> None:
    lab.drop({f"{number}.png": encode_png(cell((60, 190, 60 + number), side=900)) for number in range(3)})
    expect(lab.cells()).to_have_count(3)
    expect(lab.page.locator("#left-out")).to_be_hidden()


def test_what_is_too_much_for_a_busy_service_is_sent_one_by_one(browser: Browser, service: Running) -> None:
    def busy(route: Route) -> None:
        if (route.request.post_data_buffer or b"").count(b'name="images"') > 1:
            route.fulfill(status=503, body='{"detail": "busy"}')
        else:
            route.continue_()

    with signed_in(browser, service, "predict") as lab:
        lab.page.route("**/v1/predictions", busy)
        lab.drop({f"{number}.png": noisy((60, 190, 60), number) for number in range(3)})
        expect(lab.cells()).to_have_count(3)


def test_a_picture_the_browser_cannot_show_is_drawn_by_the_service(lab: Opened) -> None:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(cell((60, 190, 60))).save(stream, "TIFF")
    lab.drop({"cell.tif": stream.getvalue()})
    shown = lab.cells().first.locator("img")
    expect(shown).to_have_js_property("naturalWidth", 64)


def test_a_service_that_is_away_loses_nothing(browser: Browser, service: Running) -> None:
    with signed_in(browser, service, "predict") as lab:
        lab.page.context.set_offline(True)
        lab.drop({"one.png": GREEN})
        expect(lab.page.get_by_role("alert").first).to_contain_text("cannot be reached")
        lab.page.context.set_offline(False)
        lab.page.get_by_role("button", name="Send the rest").click()
        expect(lab.cells()).to_have_count(1)


def test_wrong_keys_and_wrong_roles_are_told(browser: Browser, service: Running) -> None:
    with signed_in(browser, service, "predict", "review") as lab:
        expect(lab.page.locator("#review-role")).to_contain_text("takes a key of the role review or senior")
        expect(lab.page.locator("#queue")).to_be_hidden()
        lab.page.get_by_role("button", name="Sign out").click()
        for wrong, told in (("", "Enter your key"), ("ключ", "copy it again"), ("hv_no_key", "unknown or revoked")):
            lab.page.get_by_label("Your key").fill(wrong)
            lab.page.get_by_label("Your key").press("Enter")
            expect(lab.page.locator("#sign-in-problem")).to_contain_text(told)
            expect(lab.page.get_by_label("Your key")).to_be_focused()


def test_a_key_that_ends_asks_for_another_and_keeps_the_cells(browser: Browser, service: Running) -> None:
    with signed_in(browser, service, "predict") as lab:
        lab.drop({"one.png": GREEN})
        expect(lab.cells()).to_have_count(1)
        lab.page.route("**/v1/feedback", lambda route: route.fulfill(status=401, body='{"detail": "revoked"}'))
        lab.cells().first.press("1")
        expect(lab.page.locator("#sign-in-problem")).to_contain_text("no longer valid")
        lab.page.get_by_label("Your key").fill(lab.key)
        lab.page.get_by_label("Your key").press("Enter")
        expect(lab.cells()).to_have_count(1)


def test_the_key_is_in_no_address_and_gone_after_signing_out(lab: Opened) -> None:
    lab.drop({"one.png": GREEN})
    expect(lab.cells()).to_have_count(1)
    lab.page.reload()
    expect(lab.page.get_by_role("heading", name="Classify cells")).to_be_visible()
    assert lab.page.evaluate("localStorage.length") == 0 and not lab.page.context.cookies()
    lab.page.get_by_role("button", name="Sign out").click()
    expect(lab.page.get_by_label("Your key")).to_be_visible()
    assert lab.page.evaluate("sessionStorage.length") == 0
    assert lab.asked and not [address for address in lab.asked if lab.key in address]
    assert {address.split("/")[2] for address in lab.asked if address.startswith("http")} == {
        lab.page.url.split("/")[2]
    }


def test_reviewers_decide_in_the_queue_by_keys(browser: Browser, service: Running) -> None:
    site = f"ward {new_id()}"
    items = _corrections(service, site, 2)
    with signed_in(browser, service, "review", "review") as first:
        _only(first, site, 2)
        first.page.locator("#queue [role=option]").first.press("a")
        expect(first.said()).to_have_text(re.compile(f"You accepted {CLASSES[2]}; it is pending. 1 left."))
        expect(first.page.locator("#queue [role=option]").nth(1)).to_be_focused()
    with signed_in(browser, service, "senior", "review") as senior:
        _only(senior, site, 2)
        options = senior.page.locator("#queue [role=option]")
        expect(options.first.locator("img")).to_be_visible()
        options.first.press("a")
        expect(options.first).to_contain_text("you accepted")
        options.nth(1).press("1")
        expect(senior.said()).to_contain_text(f"You rejected {CLASSES[2]} and said {CLASSES[0]}; it is rejected.")
    with service.client("review") as client:
        found = [client.get(f"/v1/review/items/{item}").json() for item in items]
    assert {one["item"]["state"] for one in found} == {"accepted", "rejected"}


def test_a_prediction_nobody_looked_at_is_confirmed_and_taken_back(browser: Browser, service: Running) -> None:
    site = f"ward {new_id()}"
    with service.client() as client:
        client.post("/v1/predictions", files=[("images", ("a", noisy(FAINT, new_seed())))], params={"site": site})
    with signed_in(browser, service, "review", "review") as lab:
        _only(lab, site, 1)
        option = lab.page.locator("#queue [role=option]").first
        expect(lab.page.locator("#queue .panel")).to_contain_text("Nobody has looked at it.")
        option.press("a")
        expect(option).to_contain_text("confirmed")
        option.press("u")
        expect(lab.said()).to_have_text("Taken back.")
        lab.page.get_by_label("Only from").fill("nowhere at all")
        lab.page.get_by_label("Only from").press("Enter")
        expect(lab.page.locator("#review-empty")).to_have_text("Nothing waits for you.")


def test_a_late_answer_does_not_replace_that_to_a_later_question(browser: Browser, service: Running) -> None:
    site, held = f"ward {new_id()}", list[Route]()
    _corrections(service, site, 1)
    _corrections(service, f"other {site}", 1)
    everything = re.compile(r"/v1/review/queue\?limit=\d+$")
    with signed_in(browser, service, "review") as lab:
        lab.page.route(everything, lambda route: held.append(route))
        lab.page.get_by_role("link", name="Review").click()
        _only(lab, site, 1)
        with lab.page.expect_response(everything):
            held[0].continue_()
        lab.page.evaluate("() => new Promise(requestAnimationFrame)")
        expect(lab.page.locator("#queue [role=option]")).to_have_count(1)


def test_the_status_shows_model_drift_and_counts(browser: Browser, service: Running) -> None:
    site, history = f"ward {new_id()}", open_history(service.home, None)
    history.keep(check(True, site=site))
    with signed_in(browser, service, "predict", "status") as lab:
        content = lab.page.locator("#status-content")
        expect(content).to_contain_text("hematovision/1")
        expect(content).to_contain_text("A drift alarm stands.")
        expect(content).to_contain_text(f"{site}: alarm since")
        history.keep(check(False, site=site))
        lab.page.get_by_role("link", name="Classify").click()
        lab.drop({"one.png": GREEN})
        expect(lab.cells()).to_have_count(1)
        lab.page.get_by_role("link", name="Status").click()
        expect(content).to_contain_text(f"{site}: calm since")
        lab.page.get_by_label("Answers by").select_option("hour/24")
        expect(content.locator("svg.strip").first).to_have_attribute("viewBox", "0 0 24 1")
        lab.page.get_by_text("As a table").click()
        today = lab.page.locator("#status-content tbody tr").last.locator("td").all_inner_texts()
        with service.client() as client:
            counted = client.get("/v1/status", params={"period": "hour", "last": 24}).json()["answers"][-1]
        assert [int(text.replace(",", "")) for text in today[: len(CLASSES)]] == [
            counted["classes"].get(label, 0) for label in CLASSES
        ]
        assert lab.page.locator("svg.strip").count() == len(CLASSES) + 2


def test_the_whole_of_it_works_from_the_keyboard(browser: Browser, service: Running, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(noisy(FAINT, new_seed()))
    with signed_in(browser, service, "review") as lab:
        keyboard = lab.page.keyboard
        lab.page.on("filechooser", lambda _: None)  # asked for at the key press, it may come too late
        _tab_to(lab, "Choose pictures")
        with lab.page.expect_file_chooser() as asked:
            keyboard.press("Enter")
        asked.value.set_files(sorted(tmp_path.iterdir()))
        expect(lab.cells()).to_have_count(3)
        _tab_to(lab, "0.png")
        keyboard.press("ArrowRight")
        expect(lab.cells().nth(1)).to_be_focused()
        keyboard.press("End")
        expect(lab.cells().nth(2)).to_be_focused()
        keyboard.press("3")
        expect(lab.cells().nth(2)).to_contain_text("corrected")
        keyboard.press("Enter")
        expect(lab.page.locator("#gallery .panel")).to_be_focused()
        _tab_to(lab, CLASSES[0])
        keyboard.press("Enter")
        expect(lab.said()).to_contain_text(f"Corrected: {CLASSES[0]}")
        assert CLASSES[0] in _focused(lab), "focus stays where it was when the panel is drawn anew"
        keyboard.press("Escape")
        expect(lab.cells().nth(2)).to_be_focused()
        keyboard.press("Shift+Home")
        _tab_to(lab, "Review", back=True)
        keyboard.press("Enter")
        expect(lab.page.locator("#review-title")).to_be_focused()


def test_the_key_of_each_class_is_its_own(lab: Opened) -> None:
    names = ["basophil", "eosinophil", "erythroblast", "immature granulocyte", "lymphocyte", "monocyte", "neutrophil"]
    names += ["platelet", "blast", "аз", "x", "aura"]
    marks = lab.page.evaluate("names => import('/page/marks.js').then(({marksOf}) => marksOf(names))", names)
    keys = [key for mark in marks for key in mark["keys"]]
    assert [mark["label"] for mark in marks] == names
    assert len(set(keys)) == len(keys) and not set(keys) & {"a", "h", "r", "u"}
    assert marks[0]["keys"] == ["1", "b"] and marks[2]["keys"][1] == "y"


def test_no_table_cell_becomes_a_formula(lab: Opened) -> None:
    rows = [["=1+1", '-2"', 0.5], ["a,b", "+x", -1]]
    told = lab.page.evaluate("rows => import('/page/table.js').then(({table}) => table(rows))", rows)
    assert told == '\'=1+1,"\'-2""",0.5\r\n"a,b",\'+x,-1\r\n'


def test_the_page_takes_nothing_from_elsewhere(service: Running) -> None:
    with service.client(None) as client:
        index = client.get("/")
        served = [client.get(f"/page/{file.name}") for file in PAGE.iterdir()]
        assert client.head("/").status_code == 200 and client.get("/page/../access.py").status_code == 404
    for answer in (index, *served):
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        addresses = set(re.findall(r"https?://[^\s\"'`<]+", answer.text))
        assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", index.text)
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", "".join(one.text for one in served))


def new_seed() -> int:
    return int.from_bytes(bytes.fromhex(new_id().replace("-", ""))[-6:])


def _items_of(service: Running, prediction: str) -> list:  # type: ignore[type-arg]
    from tests.feedback.cells import store_at

    return [item for item in store_at(service.home.root).items() if item.prediction_id == prediction]


def _corrections(service: Running, site: str, number: int) -> list[str]:
    with service.client() as client:
        files = [("images", (str(seed), noisy(FAINT, new_seed()))) for seed in range(number)]
        answered = client.post("/v1/predictions", files=files, params={"site": site}).json()["predictions"]
        given = [{"prediction_id": one["id"], "label": CLASSES[2]} for one in answered]
        return [client.post("/v1/feedback", json=one).json()["id"] for one in given]


def _only(lab: Opened, site: str, number: int) -> None:
    lab.page.get_by_label("Only from").fill(site)
    lab.page.get_by_label("Only from").press("Enter")
    expect(lab.page.locator("#queue [role=option]")).to_have_count(number)


def _focused(lab: Opened) -> str:
    return str(lab.page.evaluate("(document.activeElement.ariaLabel ?? '') + ' ' + document.activeElement.textContent"))


def _tab_to(lab: Opened, name: str, *, back: bool = False) -> None:
    """Press Tab until what is called so has the focus."""
    for _ in range(40):
        lab.page.keyboard.press("Shift+Tab" if back else "Tab")
        if _focused(lab).strip().startswith(name):
            return
    raise AssertionError(f"Tab does not come to {name!r}")
