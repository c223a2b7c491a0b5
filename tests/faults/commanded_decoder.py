"""A decoder process that does to each file what ``decoder-faults.json`` in ``$HOME`` says, by file name.

Beside the faults of ``faulty_decoder_child`` there is ``wait``: it says by an empty file ``reached-NAME`` that it is
there, and goes on when there is a file ``go``. So a run is held at a known moment while a test does something to it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from models.window_records import DecodedWindow, DecodePlan, DecodeSummary
from tests.transforms.faulty_decoder_child import decode_with_fault
from transforms import decoder_child

FAULTS = "decoder-faults.json"


def decode(path: str, plan: DecodePlan, decoders: Sequence[str]) -> Generator[DecodedWindow, None, DecodeSummary]:
    folder, name = Path(os.environ["HOME"]), Path(path).name
    faults = json.loads((folder / FAULTS).read_text())
    fault = faults.get(name, faults.get("*", ""))
    if fault == "wait":
        os.close(os.open(folder / f"reached-{name}", os.O_CREAT | os.O_WRONLY))
        while not (folder / "go").exists():
            time.sleep(0.02)
        fault = ""
    return (yield from decode_with_fault(fault, path, plan, decoders))


if __name__ == "__main__":
    decoder_child.main(decode)
