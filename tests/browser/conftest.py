"""A real Chromium beside a real MLflow server that shows a sweep the writer wrote."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.records import fold
from orchestrator.report.model import build_report
from orchestrator.tracking.info import SweepInfo
from orchestrator.tracking.pages.publish import publish
from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter
from orchestrator.tracking.server import plan_server, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from selenium.webdriver.remote.webdriver import WebDriver

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective
    from orchestrator.tracking.pages.publish import SweepPlace

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1400",
)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class ServedSweep:
    """A sweep with the server that shows it."""

    base: str
    place: SweepPlace
    report: SweepReport
    run_ids: dict[str, str]


class ListSource:
    def __init__(self, events: Sequence[SweepEvent]) -> None:
        self._events = list(events)

    def events(self, after: int = 0) -> Iterator[tuple[int, SweepEvent]]:
        yield from list(enumerate(self._events, start=1))[after:]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with chromedriver is installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    window = webdriver.Chrome(options=options, service=Service(driver))
    window.set_script_timeout(60)
    try:
        yield window
    finally:
        window.quit()


@pytest.fixture(scope="session")
def served(
    tmp_path_factory: pytest.TempPathFactory,
    demo_events: Callable[..., list[SweepEvent]],
    objectives: tuple[Objective, ...],
) -> Iterator[ServedSweep]:
    root = tmp_path_factory.mktemp("served")
    events = demo_events(14)
    info = SweepInfo(
        sweep_id="street-demo",
        objectives=objectives,
        started_ms=1_760_000_000_000,
        trials_dir=root / "trials",
        seed=7,
        dataset_digest="d1g35t",
        versions={"torch": "2.15"},
        spec_text="name: street-demo\n",
        epochs=4,
    )
    for event in events:
        for name in getattr(event, "artifacts", ()):
            path = info.trials_dir / event.trial_id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    uri = f"sqlite:///{root / 'mlflow.db'}"
    store = MlflowStore(uri, info, artifact_root=root / "artifacts")
    writer = MlflowWriter(
        info=info, events=ListSource(events), store=store, cursor_path=root / "cursor.json"
    )
    writer.start()
    assert writer.close(timeout=300), writer.problems
    records = fold(events)
    report = build_report(records, objectives, sweep_id=info.sweep_id, epochs=4)
    place = publish(report, info, store)
    with serving(plan_server(uri, root / "artifacts"), log=root / "server.log") as base:
        yield ServedSweep(base, place, report, dict(store.run_ids))


@pytest.fixture
def shoot(browser: WebDriver, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that keeps a picture of the page under a name.

    Pictures go to the folder that ``SEGSWEEP_SCREENSHOTS`` names, for people to look at.
    """
    folder = Path(os.environ.get("SEGSWEEP_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def shot(name: str) -> Path:
        path = folder / f"{name}.png"
        assert browser.save_screenshot(str(path))
        return path

    return shot
