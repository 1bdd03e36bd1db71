"""The report in headless Chromium: nothing breaks, nothing is asked for, the table works."""

from __future__ import annotations

import json
import os
import shutil

import pytest

import steadyvelo as sv

from .conftest import EVIL_CLUSTER, EVIL_GENE

DRIVER, CHROMIUM = shutil.which("chromedriver"), shutil.which("chromium")
NEEDED = os.environ.get("STEADYVELO_BROWSER") == "needed"
if not NEEDED and (DRIVER is None or CHROMIUM is None):
    pytest.skip("chromium and chromium-driver are not installed", allow_module_level=True)
if not NEEDED:
    pytest.importorskip("selenium", reason="selenium is not installed (extra: browser)")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver  # noqa: PLC0415 (not there in every environment)

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def path(judged_once, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    return sv.report.write(judged_once, path, basis="pca", n_portraits=2)


@pytest.fixture
def page(browser, path):
    browser.get_log("browser"), browser.get_log("performance")
    browser.set_window_size(1280, 900)
    browser.get(path.as_uri())
    return browser


# the key as the driver wants it
ENTER = "\ue007"


def rows(page):
    found = page.find_elements("css selector", "#gene-table tbody tr")
    return [[cell.text for cell in row.find_elements("css selector", "th, td")] for row in found]


def choose(page, status):
    page.find_element("xpath", f"//select/option[text()='{status}']").click()


def column(page, name):
    heads = page.find_elements("css selector", "#gene-table thead th")
    texts = [head.text.strip() for head in heads]
    (place,) = [i for i, text in enumerate(texts) if text.rstrip(" ↕↑↓") == name]
    return place, heads[place]


def test_nothing_is_logged_and_nothing_is_requested(page):
    assert page.get_log("browser") == []
    sent = [
        message["params"]["request"]["url"]
        for entry in page.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    assert [url for url in sent if not url.startswith(("file:", "data:"))] == []
    assert sum(url.startswith("file:") for url in sent) == 1


def test_pictures_are_drawn(page):
    widths = page.execute_script("return [...document.images].map((i) => i.naturalWidth)")
    assert len(widths) == 5
    assert min(widths) > 300


def test_names_from_the_data_run_nothing(page):
    assert EVIL_CLUSTER in page.find_element("id", "verdicts").text
    page.find_element("id", "gene-search").send_keys("onerror")
    (row,) = rows(page)
    assert row[0] == EVIL_GENE
    assert page.find_elements("css selector", "img[src='x']") == []
    assert page.get_log("browser") == []


def test_the_table_sorts_by_click_and_by_key(page):
    place, head = column(page, "γ")
    button = head.find_element("tag name", "button")
    button.click()
    down = [float(row[place]) for row in rows(page)]
    assert down == sorted(down, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    button.send_keys(ENTER)
    up = [float(row[place]) for row in rows(page)]
    assert up == sorted(up)
    assert up != down
    assert head.get_attribute("aria-sort") == "ascending"
    place, head = column(page, "gene")
    head.find_element("tag name", "button").click()
    names = [row[0] for row in rows(page)]
    assert names[1:4] == ["gene 1", "gene 2", "gene 3"]
    assert names[0] == EVIL_GENE


def test_the_table_searches_filters_and_turns_pages(page, judged_once):
    total = len(judged_once.uns["velocity_all_genes"])
    count = page.find_element("id", "gene-count")
    assert count.text == f"{total} of {total} genes"
    assert len(rows(page)) == 25
    first = rows(page)[0][0]
    page.find_element("id", "gene-next").click()
    assert page.find_element("id", "gene-page").text == "page 2 of 3"
    assert first not in [row[0] for row in rows(page)]
    choose(page, "not used")
    everything = judged_once.uns["velocity_all_genes"]
    left = set(everything.index[~everything["genes_used"]])
    assert {row[0] for row in rows(page)} == left
    assert "gene 8" in left
    assert count.text == f"{len(left)} of {total} genes"
    choose(page, "all")
    page.find_element("id", "gene-search").send_keys("GENE 11")
    assert [row[0] for row in rows(page)] == ["gene 11"]


def test_a_narrow_page_does_not_scroll_sideways(page):
    for width in (1280, 400):
        page.set_window_size(width, 900)
        inner, content = page.execute_script(
            "return [window.innerWidth, document.documentElement.scrollWidth]"
        )
        assert content <= inner, f"{content} of {inner} pixels"


def test_methods_are_copied(page):
    page.find_element("id", "copy-methods").click()
    assert page.find_element("id", "copied").text in {"copied", "selected: press Ctrl-C"}
    chosen = page.execute_script("return window.getSelection().toString()")
    assert "Spliced (s) and unspliced (u) counts" in chosen
    assert "doi:10.1038/s41586-018-0414-6" in chosen


def test_text_has_contrast(page):
    """At least 4.5 to 1, as WCAG 2.2 asks (1.4.3), for every element that holds text."""
    low = page.execute_script(CONTRAST)
    assert low == []


CONTRAST = """
const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const channel = (c) => linear(c / 255);
const parse = (s) => s.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c;
  }
  return [255, 255, 255];
};
const low = [];
for (const e of document.querySelectorAll("body *")) {
  if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName) || e.disabled) continue;
  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) low.push([e.tagName, e.textContent.slice(0, 30), ratio]);
}
return low;
"""
