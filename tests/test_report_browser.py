"""The report in a real browser: sorting, curves, labels, by mouse and by keyboard; phone, dark, no network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from report_ledger import BREAKERS, SCRIPT, nasty_ledger

from mlbench.reporting.report import write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="no chromium with its chromedriver here: apt install chromium-driver"
)
PHONE = 390
CONTRAST = """
const parse = (text) => {
  const numbers = text.match(/-?[\\d.]+(e-?\\d+)?/g).map(Number);
  if (text.startsWith("color(")) return [...numbers.slice(0, 3).map((x) => x * 255), numbers[3] ?? 1];
  return [...numbers.slice(0, 3), numbers[3] ?? 1];
};
const light = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ground = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour[3] > 0.99) return colour;
  }
  return [255, 255, 255, 1];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !node.checkVisibility({visibilityProperty: true})) continue;
  if (["SCRIPT", "STYLE"].includes(node.tagName)) continue;
  const style = getComputedStyle(node);
  const ink = node.namespaceURI.endsWith("svg") ? style.fill : style.color;
  const [a, b] = [light(parse(ink)), light(ground(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) found.push([node.tagName, node.getAttribute("class"), node.textContent.slice(0, 30), ratio]);
}
return found;
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("browser")
    return write_report(nasty_ledger(folder / "runs", n_models=10), folder / "site").as_uri()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=CHROMEDRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium: Any, address: str) -> Iterator[Any]:
    """The page, freshly loaded on a desktop in light colours; after each test, the console must be empty."""
    _look(chromium, address)
    yield chromium
    assert chromium.get_log("browser") == []


def _look(chromium: Any, address: str, width: int = 1280, **features: str) -> None:
    """Load the page on a screen of that width, with those media features."""
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    wanted = {"prefers-color-scheme": "light", "prefers-reduced-motion": "reduce"}
    wanted |= {name.replace("_", "-"): value for name, value in features.items()}
    media = [{"name": name, "value": value} for name, value in wanted.items()]
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get_log("performance")
    chromium.get(address)


def _all(browser: Any, selector: str) -> list[Any]:
    found: list[Any] = browser.find_elements("css selector", selector)
    return found


def _one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def _models(browser: Any) -> list[str]:
    return [cell.text.split("\n")[0] for cell in _all(browser, "table.board tbody th")]


def _sorted_by(browser: Any) -> list[tuple[str, str]]:
    return [(head.text.strip(" ▴▾\n"), head.get_attribute("aria-sort")) for head in _all(browser, "th[aria-sort]")]


def _header(browser: Any, name: str) -> Any:
    return next(button for button in _all(browser, "table.board thead button") if button.text.startswith(name))


def _focus(browser: Any, node: Any) -> None:
    browser.execute_script("arguments[0].focus()", node)


def _press(browser: Any, *keys: str) -> None:
    webdriver.ActionChains(browser).send_keys(*keys).perform()


# ------------------------------------------------------------------------------------------- sorting
def test_a_header_sorts_by_mouse(browser: Any) -> None:
    """A click sorts by that column, a second one the other way; what has no value stays last."""
    ranked = _models(browser)
    assert _sorted_by(browser) == [("Rank", "ascending")]
    assert (ranked[0], ranked[-1]) == (SCRIPT, "broken")

    _header(browser, "macro").click()
    assert _sorted_by(browser) == [("macro AP ↑", "descending")]
    assert _models(browser) == [*reversed(ranked[:-2]), "prior", "broken"]

    _header(browser, "macro").click()
    assert _sorted_by(browser) == [("macro AP ↑", "ascending")]
    assert _models(browser) == ["prior", *ranked[:-2], "broken"]

    _header(browser, "Model").click()
    assert _sorted_by(browser) == [("Model", "ascending")]
    assert _models(browser) == sorted(ranked)

    _header(browser, "Rank").click()
    assert _models(browser) == ranked


def test_a_header_sorts_by_keyboard(browser: Any) -> None:
    """The same with Enter and Space, and the focus is kept and seen."""
    before = _models(browser)
    _focus(browser, _header(browser, "Rank"))
    _press(browser, Keys.TAB, Keys.ENTER)

    assert browser.switch_to.active_element == _header(browser, "Model")
    assert _models(browser) == sorted(before)
    assert browser.switch_to.active_element.value_of_css_property("outline-style") == "solid"
    _press(browser, Keys.SPACE)
    assert _models(browser) == sorted(before, reverse=True)


def test_the_first_stop_skips_to_the_boards(browser: Any) -> None:
    """The first press of Tab shows a link, which leads into main."""
    _press(browser, Keys.TAB)
    link = browser.switch_to.active_element
    assert link.get_attribute("class") == "skip"
    assert link.rect["y"] >= 0

    _press(browser, Keys.ENTER)
    assert browser.switch_to.active_element.tag_name == "main"


# -------------------------------------------------------------------------------------------- curves
def test_pointing_at_a_curve_reads_it(browser: Any) -> None:
    """Near a curve, a tip names it with recall and precision; far from all, and after leaving, there is none."""
    plot = _one(browser, "[data-chart=curves] .plot")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    tip = _one(plot, ".tip")
    assert not tip.is_displayed()
    # At recall 0.5 the best curve has precision 0.95.
    x, y = browser.execute_script(
        "const box = document.querySelector('[data-chart=curves] .plot svg').getBoundingClientRect();"
        "return [box.x + 52 + (box.width - 68) * 0.5, box.y + 14 + (box.height - 58) * (1 - 0.95 / 1.005)]"
    )
    pointer = webdriver.ActionChains(browser, duration=0)
    pointer.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    pointer.perform()

    assert tip.is_displayed()
    assert tip.text == f"{SCRIPT} · raw\nrecall 0.500, precision 0.950"
    assert len(_all(plot, ".series.picked")) == 1

    pointer = webdriver.ActionChains(browser, duration=0)
    pointer.w3c_actions.pointer_action.move_to_location(round(x) - 200, round(y) + 200)
    pointer.perform()
    assert not tip.is_displayed()


def test_the_keyboard_reads_a_curve(browser: Any) -> None:
    """An entry of the legend that has the focus shows the tip; arrows move along, Escape ends it."""
    chart = _one(browser, "[data-chart=curves]")
    entry = _one(chart, ".legend button")
    _focus(browser, entry)
    tip, status = _one(chart, ".tip"), _one(chart, "[role=status]")
    assert tip.text == f"{SCRIPT} · raw\nrecall 0.500, precision 0.950"
    assert status.get_attribute("textContent") == f"{SCRIPT} · raw: recall 0.500, precision 0.950"

    _press(browser, Keys.ARROW_RIGHT)
    assert tip.text.endswith("recall 0.520, precision 0.948")
    _press(browser, Keys.END)
    assert tip.text.endswith("recall 1.000, precision 0.900")
    _press(browser, Keys.ARROW_RIGHT, Keys.HOME, Keys.ARROW_LEFT)
    assert tip.text.endswith("recall 0.000, precision 1.000")
    _press(browser, Keys.ESCAPE)
    assert not tip.is_displayed()


@pytest.mark.parametrize("keys", [(Keys.ENTER,), (Keys.SPACE,)])
def test_the_legend_hides_a_curve(browser: Any, keys: tuple[str, ...]) -> None:
    """Pressing an entry takes its curve away, and brings it back, with its state said."""
    chart = _one(browser, "[data-chart=curves]")
    entry = _one(chart, ".legend button")
    before = len(_all(chart, ".series"))
    assert before == 11
    _focus(browser, entry)
    _press(browser, *keys)
    assert len(_all(chart, ".series")) == before - 1
    assert entry.get_attribute("aria-pressed") == "false"
    assert browser.switch_to.active_element == entry
    _press(browser, *keys)
    assert len(_all(chart, ".series")) == before
    assert entry.get_attribute("aria-pressed") == "true"


def test_train_can_be_shown(browser: Any) -> None:
    """The other part is drawn, with what has no such curve left out, and the chart's name says so."""
    chart = _one(browser, "[data-chart=curves]")
    _focus(browser, _one(chart, "input:checked"))
    _press(browser, Keys.ARROW_RIGHT)

    assert _one(chart, "input:checked").get_attribute("value") == "train"
    assert len(_all(chart, ".series")) == len(_all(chart, ".legend button")) == 10
    assert _one(chart, ".plot svg").get_attribute("aria-label").startswith("On train, not test.")


def test_tuning_marks_what_was_pruned_or_failed(browser: Any) -> None:
    """Each has its mark, and each trial its words."""
    chart = _one(browser, "[data-chart=tuning]")
    assert len(_all(chart, ".pruned")) == 10
    assert len(_all(chart, ".failed")) == 11
    _focus(browser, _one(chart, ".legend button"))
    said = []
    for key in (Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT):
        _press(browser, key)
        said.append(_one(chart, ".tip span").text)
    assert said == [
        "trial 0: 0.3000, best so far 0.3000", "trial 1: pruned, best so far 0.3000",
        "trial 2: 0.5000, best so far 0.5000", "trial 3: failed, best so far 0.5000",
    ]  # fmt: skip


def test_cost_names_the_front(browser: Any) -> None:
    """The front is drawn and its rows are named beside their points, inside the chart."""
    chart = _one(browser, "[data-chart=cost]")
    names = _all(chart, "text.name")

    assert {name.text for name in names} == {f"{SCRIPT} · raw"[:29] + "…", "prior · raw"}
    assert len(_all(chart, ".front")) == 1
    box = _one(chart, ".plot svg").rect
    for name in names:
        assert box["x"] <= name.rect["x"]
        assert name.rect["x"] + name.rect["width"] <= box["x"] + box["width"]


# -------------------------------------------------------------------------------------------- labels
def test_the_map_of_labels_is_one_stop_and_moves_by_arrows(browser: Any) -> None:
    """A single cell is reached by Tab; arrows go on from it, and the words follow; so does the pointer."""
    assert len(_all(browser, ".heat td[tabindex='0']")) == 1
    readout = _one(browser, "p.readout")
    _focus(browser, _one(browser, ".heat td.cell"))
    assert readout.text.startswith(f"{BREAKERS[0]} × {SCRIPT} · raw: AP 0.")
    _press(browser, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert readout.text.startswith(f"{BREAKERS[1]} × model-1 · raw: AP 0.")
    assert "Positives: 138 in train, 69 in test." in readout.text
    assert len(_all(browser, ".heat td[tabindex='0']")) == 1
    _press(browser, Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_UP)
    assert readout.text.startswith(f"{BREAKERS[0]} × {SCRIPT} · raw")
    webdriver.ActionChains(browser).move_to_element(_all(browser, ".heat td.cell")[2]).perform()
    assert readout.text.startswith(f"{BREAKERS[0]} × model-2 · raw")


def test_all_labels_can_be_shown(browser: Any) -> None:
    """Sixty at first; the button shows the rest and takes it back."""
    button = _one(browser, "button.more")

    def shown() -> int:
        return sum(row.is_displayed() for row in _all(browser, ".heat tbody tr"))

    assert (shown(), button.text, button.get_attribute("aria-expanded")) == (60, "Show all 70 labels", "false")
    _focus(browser, button)
    _press(browser, Keys.ENTER)
    assert (shown(), button.text, button.get_attribute("aria-expanded")) == (70, "Show the 60 most frequent", "true")
    _press(browser, Keys.ENTER)
    assert shown() == 60


# ------------------------------------------------------------------------------------------ everywhere
@pytest.mark.parametrize("width", [320, PHONE, 768, 1280])
def test_nothing_overflows_the_page(browser: Any, address: str, width: int) -> None:
    """At no width does the page scroll sideways, with everything unfolded; wide tables scroll by themselves."""
    _look(browser, address, width)
    browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    _one(browser, "button.more").click()

    page = "document.documentElement"
    seen = browser.execute_script(f"return [{page}.scrollWidth, {page}.clientWidth]")
    assert seen[0] == seen[1] <= width
    charts = [svg.rect["width"] for svg in _all(browser, ".plot svg")]
    assert all(0.6 * min(width, 900) < chart <= width for chart in charts)


def test_a_chart_follows_the_width(browser: Any) -> None:
    """When the window gets narrower, the charts are drawn anew and stay within it."""
    screen = {"width": PHONE, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    done = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))"
    browser.execute_async_script(done)

    assert all(svg.rect["width"] < PHONE for svg in _all(browser, ".plot svg"))
    assert browser.execute_script("return document.documentElement.scrollWidth") == PHONE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(browser: Any, address: str, scheme: str) -> None:
    """In light and in dark, each text has a contrast of at least 4.5 to what is behind it."""
    _look(browser, address, prefers_color_scheme=scheme)
    browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    assert browser.execute_script(CONTRAST) == []


def test_dark_is_dark(browser: Any, address: str) -> None:
    """The page follows the system's colours."""

    def ground() -> str:
        return str(_one(browser, "body").value_of_css_property("background-color"))

    light = ground()
    _look(browser, address, prefers_color_scheme="dark")
    assert ground() != light
    assert sum(map(int, ground().strip("rgba()").split(", ")[:3])) < 100


def test_nothing_moves_when_nothing_should(browser: Any, address: str) -> None:
    """Transitions and smooth scrolling are for those who did not ask for less motion."""
    curve = "[data-chart=curves] .series"
    assert _one(browser, curve).value_of_css_property("transition-duration") in ("0s", "")
    assert _one(browser, "html").value_of_css_property("scroll-behavior") == "auto"
    _look(browser, address, prefers_reduced_motion="no-preference")
    assert _one(browser, "html").value_of_css_property("scroll-behavior") == "smooth"


def test_nothing_is_fetched_and_no_name_runs(browser: Any, address: str) -> None:
    """The page asks for itself and for nothing else; nothing in it was taken for code."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    assert [url for url in asked if url != "about:blank"] == [address]
    assert _all(browser, "img") == []
    assert len(_all(browser, "script")) == 2
    assert _one(browser, ".heat tbody th").text.replace("\n", "") in (BREAKERS[0], BREAKERS[0].replace(" ", ""))
