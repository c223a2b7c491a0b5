"""The page as text: its figures, and that nothing in it can run or ask for anything. The lane report_page opens it."""

import base64
import dataclasses
import hashlib
import html.parser
import json
import re

from models.decision import flag_meaning
from tests.sample_run import RUN_DATE
from tests.transforms.report_tables import dead_letter, label, segment, treatment, write
from transforms.gates import GateSettings, read_gates
from transforms.publish_manifest import build_manifest
from transforms.records import RowTally
from transforms.report_excerpts import Excerpt
from transforms.report_figures import count_figures
from transforms.report_settings import ReportSettings
from transforms.run_report import RunReport, report_html
from transforms.run_summary import LabelCount, RunSummary, StagedFile
from transforms.run_timings import Phase, RunTimings, StageTime
from transforms.table_schemas import TABLES

HOSTILE = (
    "<script>document.title='owned'</script>", "\"><img src=x onerror=\"document.title='owned'\">", "</style><b>bold",
    "{{ 7 * 7 }}", "javascript:alert(1)", "' onmouseover='x", "<!--", "</title>", "\u202eright to left", "\x00nul",
)  # fmt: skip
TAGS = {
    "html", "head", "meta", "title", "style", "body", "a", "div", "header", "p", "h1", "span", "code", "nav", "ul",
    "li", "main", "section", "h2", "h3", "h4", "b", "svg", "rect", "table", "thead", "tbody", "tr", "th", "td",
    "details", "summary", "ol", "article", "bdi", "dl", "dt", "dd", "audio", "img", "pre", "footer", "wbr",
}  # fmt: skip


class Elements(html.parser.HTMLParser):
    """All start tags with their attributes, and the text by element."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.text += " "

    def handle_data(self, data):
        self.text += data


def run_summary(run_date="2026-01-31", music=3, functional=1, review=1, dead=2) -> RunSummary:
    labels = music + functional
    rows = {"track_labels": labels, "track_embeddings": labels, "audio_versions": labels, "dead_letters": dead}
    return RunSummary(
        run_id=f"{run_date}-abc", run_date=run_date, read=RowTally(labels + dead + 1, 0),
        labelled=RowTally(labels + 1, 0), dead=RowTally(dead, 0), labelled_elements=labels, dead_elements=dead,
        tables={table: RowTally(number, 0) for table, number in rows.items()},
        files=tuple(StagedFile(table, f"{table}/p", rows.get(table, 0), 10, "0" * 64) for table in sorted(TABLES)),
        labels=(
            LabelCount("music", None, "auto", "audio", music - review),
            LabelCount("music", None, "review", "audio", review),
            LabelCount("functional", "sound_effect", "auto", "audio", functional),
        ),
        error_types={"missing_audio": dead} if dead else {},
    )  # fmt: skip


def page_of(
    folder, summary=None, previous=None, excerpts=(), timings=None, settings=None, gates=None, notes=(), **rows
) -> str:
    folder.mkdir(exist_ok=True)
    summary = summary or run_summary()
    policy = {"policy_id": "p", "version": "2", "service": HOSTILE[0]}
    manifest = build_manifest(
        summary,
        read_gates(summary, previous, gates or GateSettings(min_rows_for_shares=0, max_dead_letter_share=1.0)),
        model={"model_version": "m1"},
        config={"coverage": "sampled", "model": {"folder": HOSTILE[2]}},
        catalog={"digest": "c0ffee"},
        policies=[policy] if "royalty_treatments" in rows else [],
    )
    figures = count_figures(write(folder, **rows), 12)
    settings = settings or ReportSettings()
    return report_html(
        RunReport(json.loads(json.dumps(manifest)), previous, figures, excerpts, None, timings, settings, notes)
    )


def check_inert(page: str) -> Elements:
    """Nothing but the elements, attributes and addresses that the template has."""
    elements = Elements(page)
    assert {tag for tag, _ in elements.tags} <= TAGS
    for tag, attributes in elements.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcset", "srcdoc")]
        for name in ("src", "href", "data", "action", "xlink:href"):
            if name in attributes:
                assert re.match(r"#[a-z]+$|data:(audio/mpeg|image/webp);base64,[A-Za-z0-9+/=]+$", attributes[name]), tag
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [attributes["content"] for tag, attributes in elements.tags if "http-equiv" in attributes]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
    return elements


def test_figures_of_a_small_run(tmp_path):
    page = page_of(
        tmp_path, track_labels=[label("a"), label("b", decision="auto"), label("c", decision="auto")],
        track_segments=[segment("a", 0, 30), segment("a", 30, 60, category="speech")],
        dead_letters=[dead_letter(1), dead_letter(2)], royalty_treatments=[treatment("a", stream_weight=0.2)],
    )  # fmt: skip
    text = " ".join(check_inert(page).text.split())
    for words in (
        "All 7 catalog rows are accounted for: 4 labelled, 2 dead letters, 1 identical to another row.",
        "4 tracks have a label; 3 may be acted on, and 1 wait for a person.",
        "music 2 1 3 75.0 %", "functional 1 0 1 25.0 %", "sound effect 1 0 1 100.0 %",
        "min_ labels passed 4 1", "max_ label_ drift not checked – 10.0 %",
        "1 track waits for a person, with 1 different audio file. All are here",
        "Title of a", flag_meaning("uncertain", "music"),
        "0.6 of acting on it, 1 of a review", "0:30 1:00 speech 0.900",
        "missing_audio audio 2 28.6 %", "There is no file at the audio_uri.", '{"track_id": "gone-1"}',
        "There is no partition for an earlier date to compare with.", "This run kept no timings.", "c0ffee",
        "music yes 0.2 1 25.0 %",
    ):  # fmt: skip
        assert words in text, words


def test_hostile_words_of_a_catalog_are_only_shown(tmp_path):
    labels = [
        label(f"t{number}{words}", title=words, artist=words, audio_uri=words, flags=["uncertain", words])
        for number, words in enumerate(HOSTILE)
    ]
    letters = [
        dead_letter(number, message=words, catalog_row=words, error_type=f"cause_{number}")
        for number, words in enumerate(HOSTILE)
    ]
    everything = "".join(HOSTILE)
    page = page_of(
        tmp_path, excerpts=[Excerpt(0.0, 1.0, problem=words) for words in HOSTILE], track_labels=labels,
        dead_letters=letters, royalty_treatments=[treatment("a")],
        settings=ReportSettings(vcpu_hour_price=1.0, price_source=everything[:200]),
        timings=RunTimings(everything, True, 2, (Phase(everything, 1.0, 1.0),), (StageTime(everything, "x", 1, 1.0),)),
    )  # fmt: skip
    text = check_inert(page).text
    for words in HOSTILE:
        shown = words.replace("\u202e", "\ufffd").replace("\x00", "\ufffd")
        assert text.count(shown) >= 10, words


def test_an_excerpt_is_shown_with_its_place_in_the_track(tmp_path):
    excerpt = Excerpt(30.0, 40.0, "data:audio/mpeg;base64,AAAA", "data:image/webp;base64,AAAA")
    page = page_of(tmp_path, excerpts=[excerpt], track_labels=[label("a")], track_segments=[segment("a", 15, 45)])
    elements = check_inert(page)
    (audio,) = [attributes for tag, attributes in elements.tags if tag == "audio"]
    assert "controls" in audio
    rects = [attributes for tag, attributes in elements.tags if tag == "rect"]
    assert [rect for rect in rects if rect["class"] == "mark"] == [
        {"class": "mark", "x": "50.00%", "width": "16.67%", "height": "100%"}
    ]
    assert [(rect["x"], rect["width"]) for rect in rects if rect.get("rx")] == [("25.00%", "50.00%")]
    assert "Listen: 0:30 to 0:40" in elements.text


def test_drift_against_the_previous_run(tmp_path):
    previous = run_summary("2026-01-30", music=1, functional=3, review=0, dead=0)
    text = " ".join(check_inert(page_of(tmp_path, previous=previous)).text.split())
    assert "Shares against run 2026-01-30-abc of 2026-01-30" in text
    assert "music 25.0 % (1) 75.0 % (3) +50.0" in text
    assert "functional 75.0 % (3) 25.0 % (1) −50.0" in text
    assert "review 0.0 % (0) 25.0 % (1) +25.0" in text
    assert "missing audio 0.0 % (0) 28.6 % (2) +28.6" in text


def test_a_refused_run_says_so(tmp_path):
    page = page_of(tmp_path, gates=GateSettings(max_dead_letter_share=0.1, min_rows_for_shares=0))
    text = " ".join(check_inert(page).text.split())
    assert "Not published: 1 gate refused" in text
    assert "max_ dead_ letter_ share refused 28.6 % 10.0 %" in text


def test_a_run_without_a_single_row(tmp_path):
    summary = run_summary(music=0, functional=0, review=0, dead=0)
    summary = dataclasses.replace(summary, read=RowTally(0, 0), labelled=RowTally(0, 0), labels=())
    timings = RunTimings("2026-01-31T00:00:00+00:00", True, 1, (Phase("all", 0.0, 0.0),))
    text = check_inert(page_of(tmp_path, summary=summary, timings=timings)).text
    assert "Nothing waits for a person." in text
    assert "Every row has its label." in text


def test_money_is_processor_time_at_the_users_price(tmp_path):
    timings = RunTimings("2026-01-31T00:00:00+00:00", True, 2, (Phase("label", 4.0, 6.0), Phase("write", 1.0, 2.0)))
    settings = ReportSettings(vcpu_hour_price=0.09, price_source="our list price, EUR")
    text = " ".join(check_inert(page_of(tmp_path, timings=timings, settings=settings)).text.split())
    assert "0.8 tracks labelled per second" in text
    assert "2 s of processor time per track" in text
    assert "50.00 per million tracks, at 0.09 per vCPU-hour" in text  # 2 s at 0.09 / 3600 s, a million times
    assert "the user's own figure from the config ( report.vcpu_hour_price: our list price, EUR)" in text
    elsewhere = dataclasses.replace(timings, local=False)
    text = " ".join(check_inert(page_of(tmp_path, timings=elsewhere, settings=settings)).text.split())
    assert "million" not in text
    assert "The workers ran elsewhere" in text


def test_the_page_of_the_sample_shard(sample_output):
    (path,) = sample_output.glob("runs/*/report.html")
    page = path.read_text("utf-8")
    elements = check_inert(page)
    assert f"Run of {RUN_DATE}" in page
    assert len(page) < 1_500_000
    assert len([tag for tag, _ in elements.tags if tag == "audio"]) == 12
    assert "No excerpt" not in elements.text
    assert "processor time per track" in elements.text


def test_what_was_noticed_of_the_catalog_is_told_and_only_shown(tmp_path):
    told = f"4 of 4 labelled tracks last 1,000 times as long as {HOSTILE[0]}"
    page = page_of(tmp_path, notes=[told, "9 rows are dead letters (invalid_row)"])
    text = " ".join(check_inert(page).text.split())
    assert told in text
    assert "9 rows are dead letters (invalid_row)" in text


def test_the_licensors_of_the_catalog_are_counted_and_only_shown(tmp_path):
    labels = [label(f"t{number}", licensor=words) for number, words in enumerate(HOSTILE)]
    labels += [label("f", category="functional", functional_type="noise", licensor=HOSTILE[0]), label("n")]
    text = " ".join(check_inert(page_of(tmp_path, track_labels=labels)).text.split())
    assert "By licensor: the catalog's licensor music functional speech for review all of them functional" in text
    assert f"{HOSTILE[0]} 1 1 0 2 2 50.0 %" in text
    assert "(none) 1 0 0 1 1 0.0 %" in text
