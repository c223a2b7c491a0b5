"""The page of a comparison in a real browser, with hostile words in every text."""

from __future__ import annotations

import itertools
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from pipelines.compare_runs import run
from tests.pipelines.published_run import publish_run
from tests.report_page.browser import CONTRASTS, REACHABLE, Browser
from tests.report_page.conftest import HOSTILE
from tests.transforms.compared_runs import dead_letter, label
from transforms.printable import printable

TITLE = "tracks changed category: 2026-11-23 to 2026-11-24"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("comparison")
    texts = [
        {"track_id": f"{number} {words}", "title": words, "artist": words, "audio_uri": words}
        for number, words in enumerate(HOSTILE)
    ]
    before = [label(category="music", **text) for text in texts]
    after = [
        label(category="functional" if number % 2 else "music", **text, decision="review", model_version="m2")
        for number, text in enumerate(texts[2:])
    ]
    dead = [dead_letter(texts[0]["track_id"]) | {"message": HOSTILE[0], "model_version": "m2"}]
    publish_run(folder / "out", "2026-11-23", "spotify", "deezer", run_id="a", labels=before)
    publish_run(folder / "out", "2026-11-24", "spotify", "deezer", run_id="b", labels=after, dead_letters=dead)
    rows = [
        {"track_id": text["track_id"], "month": "2026-11", "licensor": text["title"], "streams": 5000} for text in texts
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "streams.parquet")
    argv = ["--before", folder / "out", "--after", folder / "out", "--output", folder / "c", "--pool", "1000000"]
    argv += ["--streams", folder / "streams.parquet", "--max_changed_share", "0.1", "--max_moved_share", "1"]
    assert run([str(argument) for argument in argv]) == 3
    assert json.loads((folder / "c" / "comparison.json").read_text())["tracks"]["category_changed"] == 4
    return folder / "c" / "comparison.html"


def test_nothing_of_a_catalog_runs(browser: Browser, comparison: pathlib.Path):
    browser.open(comparison)
    browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    ActionChains(browser.driver).send_keys(Keys.TAB * 5).perform()
    assert browser.driver.title.endswith(TITLE)
    assert browser.requests() == [comparison.as_uri()]
    assert browser.complaints() == []
    foreign = "script, iframe, object, embed, form, base, link, button, img, svg, [onerror], [onfocus], [style]"
    assert browser.ask(f"return document.querySelectorAll('{foreign}').length") == 0
    titles = browser.ask("return [...document.querySelectorAll('article h3')].map(e => e.textContent)")
    assert sorted(titles) == sorted(printable(words, 120) for words in HOSTILE[2:])


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_page_scrolls_sideways(browser: Browser, comparison: pathlib.Path, width: int):
    browser.open(comparison, width)
    browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    hidden = browser.ask(
        "return [...document.querySelectorAll('article, article > *, section, nav')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 40))"
    )
    assert hidden == []


def test_a_keyboard_reaches_everything_and_sees_where_it_is(browser: Browser, comparison: pathlib.Path):
    browser.open(comparison)
    wanted = browser.ask(f"""
      window.wanted = [...document.querySelectorAll("{REACHABLE}")].filter(e => e.checkVisibility());
      return window.wanted.length;""")
    reached, unseen = set(), []
    for _ in range(2 * wanted):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        place, visible = browser.ask("""
          const e = document.activeElement, s = getComputedStyle(e);
          return [window.wanted.indexOf(e), s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2];""")
        reached.add(place)
        if not visible and place >= 0:
            unseen.append(place)
        if len(reached - {-1}) == wanted:
            break
    assert len(reached - {-1}) == wanted > 20
    assert unseen == []


def test_everything_can_be_read(browser: Browser, comparison: pathlib.Path):
    browser.open(comparison)
    browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    looked_at, faint = browser.ask(CONTRASTS)
    assert looked_at > 300
    assert faint == []
    levels = browser.ask("return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
