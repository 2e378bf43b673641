"""What a user sees who opens the addresses that are printed."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By

from orchestrator.tracking.pages.publish import FOLDER
from orchestrator.tracking.pages.views import run_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from selenium.webdriver.remote.webdriver import WebDriver

    from tests.browser.conftest import ServedSweep

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

_PLOTS = """
return [...document.querySelectorAll('.js-plotly-plot')].map(plot => ({
  x: plot.layout?.xaxis?.title?.text ?? '', y: plot.layout?.yaxis?.title?.text ?? '',
  traces: plot.data.map(t => ({type: t.type, mode: t.mode ?? '', name: t.name ?? '',
    x: Array.from(t.x ?? []), y: Array.from(t.y ?? []),
    colour: [].concat(t.marker?.color ?? t.line?.color ?? [])}))}));
"""
_SCROLL = """
document.querySelectorAll('*').forEach(e => {
  if (e.scrollHeight > e.clientHeight + 200 && getComputedStyle(e).overflowY !== 'visible')
    e.scrollTop = arguments[0];
});
"""
_PATIENCE = 60.0


def await_value(found: Callable[[], Any], what: str) -> Any:
    """Return the first true value of ``found``; pages load when they like."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            value = found()
        except WebDriverException:
            value = None
        if value:
            return value
        time.sleep(0.3)
    pytest.fail(f"{what} did not appear within {_PATIENCE:.0f} s")


def open_page(browser: WebDriver, address: str) -> None:
    browser.get("about:blank")  # only the part behind # may differ, which loads nothing anew
    browser.get(address)


def close_assistant(browser: WebDriver) -> None:
    for button in browser.find_elements(By.CSS_SELECTOR, "button[aria-label*=lose]"):
        if button.is_displayed() and button.location["x"] > 1400:
            button.click()


def dots(browser: WebDriver, y: str, x: str) -> list[tuple[float, float]]:
    """Return the finite points of the chart with these axes, sorted."""
    for plot in browser.execute_script(_PLOTS):
        if (plot["x"], plot["y"]) == (x, y) and plot["traces"][0]["type"] == "scatter":
            pairs = zip(plot["traces"][0]["x"], plot["traces"][0]["y"], strict=True)
            return sorted((a, b) for a, b in pairs if a is not None and b is not None)
    return []


def expected(served: ServedSweep, y: str, x: str, *, front: bool) -> list[tuple[float, float]]:
    rows = served.report.front if front else served.report.rows
    return sorted(
        (row.metrics[x], row.metrics[y])
        for row in rows
        if row.state in {"complete", "stopped"} and x in row.metrics and y in row.metrics
    )


@pytest.mark.parametrize("front", [False, True])
def test_the_view_draws_every_trial_of_the_sweep(
    browser: WebDriver, served: ServedSweep, shoot: Callable[[str], Path], *, front: bool
) -> None:
    place = served.place
    open_page(browser, place.front(served.base) if front else place.view(served.base))
    for x in ("latency_ms", "flops"):
        wanted = expected(served, "miou", x, front=front)
        found = await_value(partial(dots, browser, "miou", x), f"the chart over {x}")
        assert np.asarray(found) == pytest.approx(np.asarray(wanted))
    close_assistant(browser)
    time.sleep(2)
    shoot("view-front" if front else "view-all")


def test_the_view_has_contour_parallel_coordinates_and_learning_curves(
    browser: WebDriver, served: ServedSweep, shoot: Callable[[str], Path]
) -> None:
    open_page(browser, served.place.view(served.base))
    await_value(lambda: dots(browser, "miou", "latency_ms"), "the first chart")
    close_assistant(browser)
    plots = browser.execute_script(_PLOTS)
    assert any(trace["type"] == "contour" for plot in plots for trace in plot["traces"])
    browser.execute_script(_SCROLL, 900)
    text = await_value(
        lambda: (
            (body := browser.find_element(By.TAG_NAME, "body").text)
            and ("Parallel Coordinates" in body and body)
        ),
        "the parallel coordinates",
    )
    assert "Learning curves" in text
    trained = sum(row.epochs > 0 for row in served.report.rows)
    curves = await_value(
        lambda: [
            plot
            for plot in browser.execute_script(_PLOTS)
            if sum(len(trace["x"]) > 0 for trace in plot["traces"]) >= trained
        ],
        "a learning curve",
    )
    longest = max(len(trace["x"]) for trace in curves[0]["traces"])
    assert longest == 4
    time.sleep(2)
    shoot("view-all-below")


def test_a_click_on_a_trial_leads_to_its_run(browser: WebDriver, served: ServedSweep) -> None:
    open_page(browser, served.place.front(served.base))
    trial = served.report.front[0].trial_id
    run_id = served.run_ids[trial]
    link = await_value(
        lambda: browser.find_elements(By.CSS_SELECTOR, f"a[href*='{run_id}']"), "the run's link"
    )[0]
    assert trial in link.text
    browser.execute_script("arguments[0].click()", link)
    await_value(lambda: f"/runs/{run_id}" in browser.current_url, "the run's page")
    await_value(lambda: "pareto_rank" in browser.page_source, "the run's metrics")


def test_the_sweeps_page_shows_picture_table_and_links(
    browser: WebDriver, served: ServedSweep, shoot: Callable[[str], Path]
) -> None:
    open_page(browser, served.place.page(served.base))
    width = await_value(
        lambda: browser.execute_script(
            "return document.querySelector(\"img[src*='thumbnail.png']\")?.naturalWidth"
        ),
        "the picture",
    )
    assert width > 500
    close_assistant(browser)
    for button in browser.find_elements(By.XPATH, "//*[text()='Show more']"):
        browser.execute_script("arguments[0].click()", button)
    for row in served.report.front:
        run_id = served.run_ids[row.trial_id]
        assert browser.find_elements(By.CSS_SELECTOR, f"td a[href*='{run_id}']")
    time.sleep(1)
    shoot("sweep-page")
    link = browser.find_element(By.LINK_TEXT, "Charts of the front")
    browser.execute_script("arguments[0].click()", link)
    window = browser.window_handles[-1]
    first = browser.current_window_handle
    browser.switch_to.window(window)
    try:
        found = await_value(lambda: dots(browser, "miou", "latency_ms"), "the front's chart")
        assert len(found) == len(served.report.front)
    finally:
        if window != first:
            browser.close()
            browser.switch_to.window(first)


def test_the_interactive_plot_opens_among_the_artifacts(
    browser: WebDriver, served: ServedSweep, shoot: Callable[[str], Path]
) -> None:
    place = served.place
    open_page(
        browser,
        run_address(
            served.base, place.experiment_id, place.run_id, artifact=f"{FOLDER}/pareto.html"
        ),
    )
    frame = await_value(lambda: browser.find_elements(By.TAG_NAME, "iframe"), "the page's frame")[0]
    close_assistant(browser)
    browser.switch_to.frame(frame)
    try:
        plots = await_value(lambda: browser.execute_script(_PLOTS), "the plot")
    finally:
        browser.switch_to.default_content()
    sizes = {trace["name"]: len(trace["x"]) for trace in plots[0]["traces"]}
    assert sizes["on the front"] == len(served.report.front)
    assert sizes["on the front"] + sizes["dominated"] == served.report.completed
    time.sleep(2)
    shoot("interactive-plot")


def test_sweeps_can_be_compared(
    browser: WebDriver, served: ServedSweep, shoot: Callable[[str], Path]
) -> None:
    open_page(browser, served.place.comparison(served.base))
    shares = [served.report.share_of(point.hypervolume) for point in served.report.curve]

    def curves() -> list[list[float]]:
        """Return where the points of the hypervolume's charts are on their horizontal axes."""
        traces = [t for plot in browser.execute_script(_PLOTS) for t in plot["traces"][:1]]
        return [t["x"] for t in traces if t["y"] == pytest.approx(shares)]

    by_trials, by_hours = await_value(
        lambda: found if len(found := curves()) == 2 else None, "the hypervolume's two curves"
    )
    close_assistant(browser)
    time.sleep(3)
    shoot("sweeps-compared")
    assert by_trials == [point.ended for point in served.report.curve]
    assert by_hours == sorted(by_hours)
    assert 0 < by_hours[-1] <= served.report.effort.device_hours


def test_an_unknown_view_still_opens_the_experiment(
    browser: WebDriver, served: ServedSweep
) -> None:
    known = served.place.view(served.base)
    open_page(browser, known.replace("street-demo", "no-such-view"))
    await_value(
        lambda: "segsweep" in browser.find_element(By.TAG_NAME, "body").text, "the experiment"
    )
