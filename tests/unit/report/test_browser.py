"""The pages in a browser: nothing fails, nothing leaves the page, and the map answers to pointer and legend."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import eco_core as eco
from eco_core.engine.history import History
from eco_core.report import write_comparison, write_report
from eco_core.report.folder import StoredResults
from eco_core.report.page import report_page
from eco_core.results.blocks import Blocks
from eco_core.results.embedding_map import EmbeddingMap
from eco_core.results.explanation import ClusterSummary, Explanation
from tests.unit.report.conftest import Browser

pytest.importorskip("jinja2")
Open = Callable[..., Browser]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = {"name": "sbm", "num_nodes": 300, "n_blocks": 5, "num_features": 8}
    return write_report(eco.run({"data": data}, out=tmp_path_factory.mktemp("runs") / "run").folder)


def large_page(folder: Path, count: int = 100_000, n_clusters: int = 12) -> Path:
    """A report with many points, made without a run."""
    random = np.random.default_rng(0)
    labels = random.integers(0, n_clusters, count)
    angle = labels / n_clusters * 2 * np.pi
    xy = 32768 + 20000 * np.stack([np.cos(angle), np.sin(angle)], 1) + random.normal(0, 3000, (count, 2))
    sizes = np.bincount(labels)
    clusters = tuple(
        ClusterSummary(int(place), f"cluster {place}", int(sizes[place]), float(sizes[place] / count), 0.1, 0.2, 0.8)
        for place in np.argsort(-sizes, kind="stable")
    )
    explanation = Explanation(
        data={"nodes": count},
        columns=(),
        clusters=clusters,
        blocks=Blocks(),
        baselines=(),
        map=EmbeddingMap("A map.", np.clip(xy, 0, 65535).astype(np.uint16)),
        confidence=(0,) * 19 + (count,),
    )
    (folder / "metrics.json").write_text("{}")
    ids = [f"user-{n:06d}@example" for n in range(count)]
    results = StoredResults(folder, {"data": {"name": "many"}}, "", ids, labels, {}, History(), {}, [], explanation)
    path = folder / "report.html"
    path.write_text(report_page(results), encoding="utf-8")
    return path


def hover(browser: Browser, node: int) -> dict[str, object]:
    browser.run("document.getElementById('plane').scrollIntoView({block: 'center', behavior: 'instant'})")
    where = browser.run("return window.ecoReport.position(arguments[0])", node)
    browser.move_to(where["x"], where["y"])
    return browser.run("return window.ecoReport.state()")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1400])
def test_a_report_logs_no_error_asks_for_nothing_and_fits_the_screen(
    page: Path, open_page: Open, width: int, dark: bool
) -> None:
    browser = open_page(page, width=width, dark=dark)
    assert browser.messages() == []
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_pointing_at_a_node_shows_its_id_and_its_cluster(page: Path, open_page: Open) -> None:
    browser = open_page(page)
    state = hover(browser, 17)
    assert state["id"] is not None
    tip = browser.run("return document.getElementById('tip').innerText").split("\n")
    assert tip[0] == state["id"]
    names = browser.run("return [...document.querySelectorAll('.entry .name')].map((each) => each.textContent)")
    assert tip[1] in names
    browser.move_to(2, 2)
    assert browser.run("return document.getElementById('tip').hidden")


def test_a_legend_entry_isolates_its_cluster_and_gives_the_others_back(page: Path, open_page: Open) -> None:
    browser = open_page(page)
    pixels = "return document.getElementById('points').toDataURL()"
    everything = browser.run(pixels)
    browser.run("document.querySelectorAll('.entry')[1].click()")
    time.sleep(0.2)
    assert browser.run("return window.ecoReport.state().alone") == 1
    assert browser.run("return document.querySelectorAll('.entry')[1].getAttribute('aria-pressed')") == "true"
    assert browser.run(pixels) != everything
    browser.run("document.getElementById('show-all').click()")
    time.sleep(0.2)
    assert browser.run("return window.ecoReport.state().alone") == -1
    assert browser.run(pixels) == everything


def test_the_switch_changes_between_light_and_dark(page: Path, open_page: Open) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    browser = open_page(page, dark=False)
    light = browser.run(ground)
    browser.run("document.getElementById('theme').click()")
    dark = browser.run(ground)
    assert dark != light
    assert open_page(page, dark=True).run(ground) == dark


def test_zoom_keeps_the_map_in_place_and_is_undone(page: Path, open_page: Open) -> None:
    browser = open_page(page)
    browser.run("document.getElementById('zoom-in').click()")
    assert browser.run("return window.ecoReport.state().zoom") > 1
    browser.run("document.getElementById('zoom-reset').click()")
    assert browser.run("return window.ecoReport.state().zoom") == 1


def test_a_hundred_thousand_points_are_drawn_and_found_quickly(tmp_path: Path, open_page: Open) -> None:
    path = large_page(tmp_path)
    assert path.stat().st_size < 10_000_000
    browser = open_page(path)
    assert browser.run("return window.ecoReport.count") == 100_000
    assert str(hover(browser, 99_999)["id"]).startswith("user-")
    seconds = browser.run(
        "const begin = performance.now(); for (let i = 0; i < 5; i++) window.ecoReport.draw();"
        "return (performance.now() - begin) / 5000"
    )
    assert seconds < 1.0  # About 0.05 s on an idle machine; one that is busy is much slower.
    assert browser.messages() == []


def test_a_comparison_logs_no_error_and_asks_for_nothing(page: Path, tmp_path: Path, open_page: Open) -> None:
    comparison = write_comparison([page.parent, page.parent], tmp_path / "c.html")
    browser = open_page(comparison, width=400)
    assert browser.messages() == []
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []
    assert browser.run("return document.documentElement.scrollWidth") <= 400
