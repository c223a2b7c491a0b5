"""Take the README's picture of a run's page: its head, the labels, and a card of the review queue.

python -m tests.report_page.screenshot --page out/runs/<run_id>/report.html --output docs/images/report.png
"""

from __future__ import annotations

import argparse
import io
import pathlib
import time

from PIL import Image

from tests.report_page.browser import chromium

_WIDTH = 1200
#: What the picture leaves out, so that it is no longer than a screen or two.
_HIDE = """
const cards = [...document.querySelectorAll(".queue > li")];
const kept = cards.filter(c => c.querySelectorAll(".lanes rect[rx]").length > 1).slice(0, 1);
cards.filter(c => !kept.includes(c)).forEach(c => c.remove());
document.querySelectorAll("#gates, #review > .note, #review ~ section, footer").forEach(e => e.remove());
return document.documentElement.scrollHeight;
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--page", required=True, type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    with chromium() as browser:
        browser.open(arguments.page.resolve(), _WIDTH)
        height = browser.ask(_HIDE)
        time.sleep(1)  # the players take a moment to show their length
        picture = Image.open(io.BytesIO(browser.picture(0, 0, _WIDTH, height)))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    # 192 colours are enough for a page, and a third of the bytes.
    picture.convert("RGB").quantize(192, dither=Image.Dither.NONE).save(arguments.output, optimize=True)
    print(f"{arguments.output}: {picture.width} x {picture.height}, {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
