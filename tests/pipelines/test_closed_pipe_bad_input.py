"""A terminal output that nobody reads to its end: the status still says what became of the run."""

import subprocess
import sys

from tests.sample_run import RUN_DATE, SAMPLE


def test_a_run_whose_last_words_nobody_reads_has_published_with_status_0(tmp_path):
    catalog = tmp_path / "catalog.jsonl"
    catalog.write_text('{"track_id": "a", "audio_uri": "audio/city/02-booing.wav"}\n')
    command = [sys.executable, "-m", "pipelines.categorize_tracks", f"--catalog={catalog}", f"--audio_root={SAMPLE}"]
    command += [f"--output={tmp_path / 'out'}", f"--run_date={RUN_DATE}"]
    # What `| head -n 0` is: a pipe without a reader.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=SAMPLE.parent
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors.count("Error")) == (0, 0), errors
    assert (tmp_path / "out" / "track_labels" / f"run_date={RUN_DATE}" / "_SUCCESS").is_file()
