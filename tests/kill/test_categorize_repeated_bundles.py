"""Every bundle of the job is run twice, as an engine may after it lost a worker: the tables are the same bytes."""

import collections
import json

from tests.sample_run import SAMPLE, files, job
from transforms import write_tables

#: Music and rain, one audio under two ids, and audio that is cut off, empty, missing and none.
ROWS = 5


def write_catalog(path) -> None:
    rows = [json.loads(line) for line in (SAMPLE / "catalog.jsonl").read_bytes().splitlines()[:ROWS]]
    rows.append({**rows[0], "track_id": "trk_again"})
    rows.append({"track_id": "trk_missing", "audio_uri": "audio/none.mp3"})
    rows += [
        {"track_id": f"trk_{audio.stem}", "audio_uri": str(audio.relative_to(SAMPLE))}
        for audio in sorted((SAMPLE / "audio" / "broken").iterdir())
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_bundles_that_ran_twice_leave_no_trace(tmp_path, monkeypatch):
    catalog = tmp_path / "catalog.jsonl"
    write_catalog(catalog)
    assert job(catalog, tmp_path / "once") == 0
    written: collections.Counter[str] = collections.Counter()
    whole_file = write_tables.whole_file

    def counted(folder, path):
        written[path] += 1
        return whole_file(folder, path)

    monkeypatch.setattr(write_tables, "whole_file", counted)
    assert job(catalog, tmp_path / "twice", "--direct_runner_bundle_repeat=1") == 0
    assert set(written.values()) == {2}
    assert files(tmp_path / "twice") == files(tmp_path / "once")
