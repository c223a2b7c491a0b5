"""A run's page in a real browser: nothing of a catalog runs or is asked for, and everybody can read and use it."""

import itertools
import pathlib

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.report_page.browser import CONTRASTS, REACHABLE, Browser
from tests.report_page.conftest import HOSTILE


def test_no_script_of_a_catalog_runs_and_nothing_is_asked_for(browser: Browser, page: pathlib.Path):
    browser.open(page)
    assert browser.driver.title.startswith("Earmark run 2026-01-31: ")
    browser.ask("document.querySelectorAll('summary').forEach(summary => summary.click())")
    ActionChains(browser.driver).send_keys(Keys.TAB * 5).perform()
    assert browser.driver.title.startswith("Earmark run 2026-01-31: ")
    assert browser.driver.current_url.partition("#")[0] == page.as_uri()
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []
    foreign = "script, iframe, object, embed, form, base, link, button, svg[onload], [onerror], [onfocus], [style]"
    assert browser.ask(f"return document.querySelectorAll('{foreign}').length") == 0
    assert browser.ask("return document.querySelectorAll('style').length") == 1


def test_the_policy_stops_what_would_slip_through(browser: Browser, sample_page, tmp_path):
    """The second wall: the page with a script, a handler, a style and a request in it, as if nothing was escaped."""
    slipped = (
        "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
        "<p style='color:red' id=slipped>x</p><style>#slipped{color:red}</style><img src='http://127.0.0.1:9/x'>"
    )
    path = tmp_path / "slipped.html"
    path.write_text(sample_page.read_text("utf-8").replace("</main>", f"{slipped}</main>"), "utf-8")
    browser.open(path)
    assert browser.driver.title.startswith("Earmark run")
    assert browser.ask("return getComputedStyle(document.getElementById('slipped')).color") != "rgb(255, 0, 0)"
    assert len(browser.complaints()) >= 5


def test_hostile_words_are_all_there_as_words(browser: Browser, hostile_page: pathlib.Path):
    browser.open(hostile_page)
    titles = browser.ask("return [...document.querySelectorAll('.item h3 bdi')].map(e => e.textContent)")
    cut = [words if len(words) <= 300 else words[:299] + "…" for words in HOSTILE[:-1]]
    assert sorted(titles) == sorted([*cut, "\ufffdyenom\ufffd \ufffd \ufffd \ufffd[31m"])


def test_pictures_and_sounds_load_and_play(browser: Browser, page: pathlib.Path):
    browser.open(page)
    sounds = browser.ask_later("""
      Promise.all([...document.querySelectorAll("audio")].map(a => new Promise(resolve => {
        const tell = () => resolve([a.duration, a.error && a.error.message]);
        if (a.readyState > 0 || a.error) tell(); else { a.onloadedmetadata = tell; a.onerror = tell; a.load(); }
      }))).then(done);""")
    assert len(sounds) >= 11
    assert [error for _, error in sounds if error] == []
    assert min(duration for duration, _ in sounds) > 0.9
    sizes = browser.ask("return [...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight])")
    assert sizes == [[True, 640, 128]] * len(sounds)
    played_s = browser.ask_later("""
      const a = document.querySelector("audio"); a.currentTime = 0.2;
      a.play().then(() => setTimeout(() => done(a.currentTime), 400), error => done(String(error)));""")
    assert played_s > 0.2


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_no_page_scrolls_sideways(browser: Browser, page: pathlib.Path, width: int):
    browser.open(page, width)
    browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.ask("return document.documentElement.scrollWidth") <= width
    # Nor does a card or a section hide a part of itself, except for tables that scroll on their own.
    hidden = browser.ask("""
      return [...document.querySelectorAll("section, .column, .item, .tile, .item > *")]
        .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className + " " + e.id);""")
    assert hidden == []


def test_a_keyboard_reaches_everything_and_sees_where_it_is(browser: Browser, page: pathlib.Path):
    browser.open(page)
    wanted = browser.ask(f"""
      window.wanted = [...document.querySelectorAll("{REACHABLE}")].filter(e => e.checkVisibility());
      return window.wanted.length;""")
    reached, unseen = set(), []
    keys = ActionChains(browser.driver)
    for _ in range(12 * wanted):  # the controls of a player are several stops
        keys.send_keys(Keys.TAB).perform()
        place, visible = browser.ask("""
          const e = document.activeElement, s = getComputedStyle(e);
          const ring = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2;
          return [window.wanted.indexOf(e), ring || e.tagName === "AUDIO"];  // whose controls have rings of their own
          """)
        if place >= 0:
            reached.add(place)
            if not visible:
                unseen.append(place)
        if len(reached) == wanted:
            break
    assert len(reached) == wanted > 20
    assert unseen == []


def test_the_first_stop_leads_past_the_header(browser: Browser, sample_page: pathlib.Path):
    browser.open(sample_page)
    ActionChains(browser.driver).send_keys(Keys.TAB).perform()
    assert browser.driver.switch_to.active_element.text == "Skip to the figures"
    ActionChains(browser.driver).send_keys(Keys.ENTER).perform()
    assert browser.driver.switch_to.active_element.get_attribute("id") == "main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_stands_out_from_its_background(browser: Browser, sample_page: pathlib.Path, scheme: str):
    browser.open(sample_page, scheme=scheme)
    browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    ground = browser.ask("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(244, 245, 248)", "dark": "rgb(13, 16, 21)"}[scheme]
    looked_at, faint = browser.ask(CONTRASTS)
    assert looked_at > 300
    assert faint == []


def test_headings_lists_and_names_are_sound(browser: Browser, page: pathlib.Path):
    browser.open(page)
    levels = browser.ask("return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    ids = browser.ask("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    linked = browser.ask(
        "return [...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href').slice(1))"
    )
    named = browser.ask(
        "return [...document.querySelectorAll('[aria-labelledby]')].map(e => e.getAttribute('aria-labelledby'))"
    )
    assert set(linked + named) <= set(ids)
    assert browser.ask("return [...document.images].every(i => i.alt)")
    assert browser.ask("return [...document.querySelectorAll('audio')].every(a => a.getAttribute('aria-label'))")
