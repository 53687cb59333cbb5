"""The way through the page, by mouse on a desk and by keyboard on a phone."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import httpx
import numpy as np
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Visit, keep, no_wider_than_the_window
from worker.cli.stack import Stack


def result(page: Page) -> None:
    expect(page.locator("#result .pictures").first).to_be_visible()


def number(page: Page) -> tuple[int, int]:
    """The N and K of the sentence about the region."""
    found = re.search(r"at least (\d+) of the (\d+) most salient", page.locator(".bound").first.inner_text())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def set_radius(page: Page, rho: float) -> None:
    exact = page.get_by_label("Radius, exactly")
    exact.fill(str(rho))
    exact.press("Enter")


def set_region(page: Page, column: int, row: int, columns: int, rows: int) -> None:
    """By the numbers; counted from 1. Sizes first, since a region is kept inside the picture."""
    for label, value in {"Columns": columns, "Rows": rows, "First column": column, "First row": row}.items():
        field = page.locator(".numbers").get_by_label(label, exact=True)
        field.fill(str(value))
        field.press("Enter")


def test_by_mouse_from_a_sample_to_a_comparison(visit: Visit, stack: Stack, key: str) -> None:
    page = visit()
    page.get_by_role("button", name="a handwritten three").click()
    page.get_by_role("button", name="Explain and certify").click()
    result(page)
    expect(page.locator("blockquote").first).to_contain_text("With 95 % confidence over the random sampling, at least")
    expect(page.locator("article")).to_contain_text("Research use only")

    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {key}"}) as client:
        base = f"/v1/jobs/{page.url.rpartition('/')[2]}/artifacts"
        with np.load(io.BytesIO(client.get(f"{base}/map.npz").content), allow_pickle=False) as arrays:
            salient, not_salient = arrays["salient_radius"], arrays["not_salient_radius"]
        written = client.get(f"{base}/radii.json").json()
    _same(written["salient"], salient.max(axis=0))
    _same(written["not_salient"], not_salient.min(axis=0))

    # What the page says of a region is the number of cells whose radius reaches.
    for rho in (0.0, 0.03, 0.1):
        set_radius(page, rho)
        for column, row, columns, rows in [(1, 1, 8, 8), (3, 2, 4, 5), (1, 7, 8, 2)]:
            set_region(page, column, row, columns, rows)
            inside = salient[0, row - 1 : row - 1 + rows, column - 1 : column - 1 + columns]
            count, size = number(page)
            assert count == int((inside > rho).sum())
            assert size in (13, 0), "ceil(0.2 * 64)"
    page.get_by_role("button", name="Radius 0.01").click()

    sheet = page.get_by_role("application")
    area = sheet.bounding_box()
    assert area
    page.mouse.move(area["x"] + 0.3 * area["width"], area["y"] + 0.3 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.7 * area["width"], area["y"] + 0.6 * area["height"])
    page.mouse.up()
    expect(sheet).to_have_accessible_name(re.compile(r"Columns 3 to 6, rows 3 to 5"))
    expect(page.locator("#result .unseen")).to_contain_text("Columns 3 to 6, rows 3 to 5")
    page.locator("summary").filter(has_text="What it does not say").click()
    expect(page.get_by_text("That the model is right, or")).to_be_visible()
    keep(page, "result-1440-light")

    page.locator("summary").filter(has_text="Download").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="certificate.json").click()
    document = json.loads(Path(waiting.value.path()).read_text())
    assert document["format"] == "surety-certificate/1"

    page.get_by_role("button", name="Change settings and compare").click()
    expect(page.locator("#beside")).to_be_visible()
    expect(page.get_by_label("Model", exact=True)).to_have_value("digits")
    page.get_by_label("Noise, sigma").fill("0.25")
    page.get_by_role("button", name="Explain and certify").click()
    result(page)
    expect(page.locator("article")).to_have_count(2)
    expect(page.locator("article").nth(0)).to_contain_text("sigma 0.15")
    expect(page.locator("article").nth(1)).to_contain_text("sigma 0.25")
    before = page.locator(".bound").all_inner_texts()
    page.get_by_label("Radius", exact=True).press("End")
    after = page.locator(".bound").all_inner_texts()
    assert all(one != other for one, other in zip(before, after, strict=True)), "one slider moves both"
    keep(page, "compare-1440-light")

    page.get_by_role("link", name="Recent").click()
    newest = page.locator("#gallery li")
    for place, sigma in enumerate(("sigma 0.25", "sigma 0.15")):
        expect(newest.nth(place)).to_contain_text(sigma)
        expect(newest.nth(place).locator("canvas")).to_be_visible()
    keep(page, "recent-1440-light")


def test_by_keyboard_on_a_phone(visit: Visit, stack: Stack) -> None:
    """Without the stream of events, which some proxies hold back: the page asks instead."""
    page = visit(PHONE, scheme="dark", provoked=True)
    page.route("**/events", lambda route: route.abort())

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if name in page.evaluate(NAME_OF_FOCUS):
                return
        raise AssertionError(f"the Tab key does not lead to {name}")

    page.keyboard.press("Tab")
    assert page.evaluate(NAME_OF_FOCUS) == "Skip to the content"
    tab_to("a handwritten eight")
    page.keyboard.press("Enter")
    expect(page.locator("#chosen")).to_contain_text("digit-8-0.png")
    tab_to("Samples")
    page.keyboard.type("64")
    keep(page, "ask-390-dark")
    page.keyboard.press("Enter")
    result(page)
    assert no_wider_than_the_window(page)
    expect(page.locator("h1:visible")).to_be_focused()

    tab_to("Radius")
    page.keyboard.press("ArrowRight")
    tab_to("Region of the map")
    sheet = page.get_by_role("application")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(sheet).to_have_accessible_name(re.compile(r"Columns 2 to 4, rows 3 to 5"))
    keep(page, "result-390-dark")
    page.keyboard.press("Home")
    expect(sheet).to_have_accessible_name(re.compile(r"Columns 1 to 8, rows 1 to 8"))

    tab_to("Check this certificate")
    page.keyboard.press("Enter")
    expect(page.locator("#checks h2")).to_have_text("The certificate holds.")
    assert page.locator("#checks li").count() > 3 and no_wider_than_the_window(page)
    keep(page, "check-390-dark")


NAME_OF_FOCUS = """() => {
  const focused = document.activeElement;
  return focused.getAttribute("aria-label") ?? focused.labels?.[0]?.textContent.trim() ?? focused.textContent;
}"""


def _same(written: list[list[float | None]], radii: np.ndarray) -> None:
    """The greatest multiple of 0.0001 that is less than the radius, and 0 where that is not positive."""
    found = np.array(written, dtype=np.float64)
    assert found.shape == radii.shape
    certified = found > 0
    assert (found[certified] < radii[certified]).all() and (radii[certified] <= found[certified] + 1.0001e-4).all()
    assert (radii[~certified] <= 1.0001e-4).all() and certified.any()
