"""Keys, mistakes, interruptions, accessibility and headers."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Visit, keep
from tests.conftest import REPOSITORY
from worker.cli.stack import Stack

PAGE = REPOSITORY / "app" / "page"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


DRAGGED = """async () => {
  const dragged = new DataTransfer();
  const file = await (await fetch("/page/samples/digit-3-0.png")).blob();
  dragged.items.add(new File([file], "dragged.png"));
  return dragged;
}"""


def submit(page: Page) -> None:
    page.get_by_role("button", name="Explain and certify").click()


def test_the_page_asks_for_a_key_and_keeps_it_for_the_tab(visit: Visit, key: str) -> None:
    page = visit(shown=None, provoked=True)
    dialog = page.get_by_role("dialog")
    for typed in (f"{key[:-4]}zzzz", key):
        expect(dialog).to_be_visible()
        dialog.get_by_label("Key", exact=True).fill(typed)
        dialog.get_by_role("button", name="Use").click()
    expect(page.get_by_label("Model", exact=True)).to_have_value("digits")
    assert key not in str(page.evaluate("Object.values(localStorage)")) and key not in page.url
    page.get_by_label("Theme").select_option("dark")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    expect(page.get_by_label("Model", exact=True)).to_have_value("digits")
    page.get_by_role("button", name="API key").click()
    expect(dialog.get_by_label("Key", exact=True)).to_have_value("")
    dialog.get_by_role("button", name="Forget it").click()
    for _ in range(50):  # the key is forgotten when the dialog has closed
        if page.evaluate("sessionStorage.length") == 0:
            break
        page.wait_for_timeout(100)
    assert page.evaluate("sessionStorage.length") == 0


def test_mistakes_are_shown_where_they_are(visit: Visit, tmp_path: Path) -> None:
    page = visit(provoked=True)
    submit(page)
    file = page.get_by_label("Choose a file")
    expect(file).to_have_accessible_description("⚠ No image was chosen. Drop one, choose a file, or take a sample")
    text = tmp_path / "notes.png"
    text.write_text("no picture at all")
    file.set_input_files(text)
    submit(page)
    expect(page.locator("fieldset[data-pointer='/image'] .fault")).to_contain_text("format is not supported")
    expect(file).to_be_focused()

    page.locator("#drop").dispatch_event("drop", {"dataTransfer": page.evaluate_handle(DRAGGED)})
    expect(page.locator("#chosen")).to_contain_text("dragged.png")
    for label, wrong in {
        "Noise, sigma": "-1",
        "Second radius": "-0.5",
        "Samples": "0",
        "Share called salient, k": "2",
    }.items():
        field = page.get_by_label(label)
        right = field.input_value()
        page.locator("form#order details").evaluate("details => (details.open = true)")
        field.fill(wrong)
        submit(page)
        expect(field).to_be_focused()
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#order .fault")).to_have_count(1)
        field.fill(right)
    keep(page, "mistake-1440-light")


def test_a_job_is_watched_and_cancelled(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="a handwritten seven").click()
    page.get_by_label("Samples").fill("60000")
    submit(page)
    expect(page.locator("#progress-text")).to_contain_text("left")
    assert 0 < page.locator("progress").evaluate("bar => bar.value") < 100
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#order-error")).to_contain_text("cancelled")
    expect(page.locator("#progress")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Visit, scheme: str) -> None:
    page = visit(PHONE if scheme == "dark" else {"width": 1440, "height": 900}, scheme=scheme)
    page.get_by_role("button", name="a handwritten three").click()
    page.get_by_label("Samples").fill("64")
    found = violations(page)
    submit(page)
    expect(page.locator("#result .pictures")).to_be_visible()
    for closed in page.locator("#result details").all():
        closed.evaluate("details => (details.open = true)")
    found += violations(page)
    for place in ("recent", "check"):
        page.evaluate(f"location.hash = '#/{place}'")
        expect(page.locator(f"#{place}")).to_be_visible()
        found += violations(page)
    assert found == []


def violations(page: Page) -> list[str]:
    response = Axe().run(page).response
    return [
        f"{item['id']}: {node['html'][:200]}"
        for item in response["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]


def test_every_file_has_its_type_and_the_headers_and_the_docs_go_on(stack: Stack) -> None:
    files = [path for path in sorted(PAGE.rglob("*")) if path.is_file()]
    assert len(files) > 15
    addresses = {"/": PAGE / "index.html", **{f"/page/{path.relative_to(PAGE)}": path for path in files}}
    with httpx.Client(base_url=stack.url) as client:
        for address, path in addresses.items():
            answer = client.get(address)
            assert answer.content == path.read_bytes() and answer.headers["content-type"].startswith(TYPES[path.suffix])
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy and "://" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            again = client.get(address, headers={"If-None-Match": answer.headers["etag"]})
            assert again.status_code == 304 and not again.content
        for outside in ("/page/../main.py", "/page/%2e%2e/main.py", "/page/none.js", "/page/"):
            assert client.get(outside).json()["code"] == "not_found"
        assert client.post("/").status_code == client.post("/page/main.js").status_code == 405
        docs = client.get("/docs")
        assert docs.status_code == 200 and "content-security-policy" not in docs.headers


def test_the_samples_are_those_of_the_digits_model() -> None:
    for sample in (PAGE / "samples").iterdir():
        assert sample.read_bytes() == (REPOSITORY / "models" / "digits" / "samples" / sample.name).read_bytes()
