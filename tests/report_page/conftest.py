"""The pages that are opened: that of the sample shard, and that of a catalog that means harm."""

import json
import pathlib

import pytest
import soundfile

from tests.report_page.browser import Browser, chromium
from tests.sample_run import SAMPLE, job

OWNED = "document.title='owned'"
#: Each tries to run a script, to ask for something, to leave its element, or to spread over the page.
HOSTILE = (
    f"<script>{OWNED}</script>",
    f'"><img src=x onerror="{OWNED}">',
    f"'><svg onload=\"{OWNED}\">",
    f"</style><script>{OWNED}</script><style>body{{background:url(http://127.0.0.1:9/x)}}",
    f"</title></textarea></script><iframe srcdoc=\"<script>parent.{OWNED}</script>\">",
    f"--><a href=\"javascript:{OWNED}\" autofocus onfocus=\"{OWNED}\">x</a>",
    f"{{{{ cycler.__init__.__globals__ }}}} {{% raw %}} &lt;script&gt;{OWNED}&lt;/script&gt;",
    '<link rel=stylesheet href="http://127.0.0.1:9/x.css"><meta http-equiv=refresh content="0;url=http://127.0.0.1:9/">',
    "<form action=http://127.0.0.1:9/><button autofocus>Pay</button></form><base href=http://127.0.0.1:9/>",
    "W" * 2000,
    "\u202eyenom\u202c \u2066 \x07 \x1b[31m",
)  # fmt: skip
#: Cut into as many pieces.
SOUND = SAMPLE / "audio" / "wesnoth" / "11-underground.aiff"


@pytest.fixture(scope="session")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory) -> pathlib.Path:
    """The main job on a catalog whose every text is hostile, file names too, and that is mostly dead letters."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = []
    for number, words in enumerate(HOSTILE):
        # The catalog's contract bounds these two, and refuses control characters in them.
        name = "".join(character for character in words[:200] if character.isprintable())
        uri = f"{name[:60].replace('/', '|')}.wav"
        samples, rate_hz = soundfile.read(SOUND, start=number * 15_000, frames=100_000)
        soundfile.write(folder / uri, samples, rate_hz)
        row = dict.fromkeys(("title", "artist", "release_title", "licensor", "record_label", "language"), words)
        # Shorter by far than the catalog says, so that a person gets it.
        rows.append(row | {"track_id": f"{number} {name}", "audio_uri": uri, "duration_ms": 500_000})
        rows.append(row | {"track_id": f"dead {number} {name}", "audio_uri": f"{name}.mp3"})
        rows.append(row | {"track_id": "", "audio_uri": words})
    (folder / "catalog.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + HOSTILE[0] + "\n")
    config = folder / "config.yaml"
    gates = "{max_dead_letter_share: null, max_review_share: null}"
    config.write_text(f"gates: {gates}\nreport: {{excerpt_s: 2.0, vcpu_hour_price: 0.04}}\n")
    assert job(folder / "catalog.jsonl", folder / "out", "--audio_root", folder, "--config", config) == 0
    (page,) = (folder / "out").glob("runs/*/report.html")
    return page


@pytest.fixture(scope="session")
def sample_page(sample_output) -> pathlib.Path:
    (page,) = sample_output.glob("runs/*/report.html")
    return page


@pytest.fixture(params=["sample", "hostile"])
def page(request, browser: Browser) -> pathlib.Path:
    return request.getfixturevalue(f"{request.param}_page")
