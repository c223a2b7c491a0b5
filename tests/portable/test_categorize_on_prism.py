"""The main job on a portable engine, unchanged: workers in other processes, everything between them encoded."""

from tests.portable.engine import Engine, files, finish, start_job
from tests.sample_run import CONFIG, POLICIES


def test_spread_over_two_worker_pools_it_publishes_the_bytes_of_a_local_run(tmp_path, sample_output):
    flags = [f"--config={CONFIG}", *(f"--policy={policy}" for policy in POLICIES)]
    with Engine(tmp_path / "engine", pools=2) as engine:
        # The workers were started in another folder; what is relative here must not be looked for there.
        told = finish(start_job("sample/catalog.jsonl", tmp_path / "out", *flags, *engine.flags()))
        assert engine.workers() == []
        for pool in engine.pools:
            assert pool.log().count("Starting worker") == 1
    assert "114 tracks labelled" in told
    assert files(tmp_path / "out") == files(sample_output)


def test_an_error_in_a_worker_ends_the_job_with_a_sentence_that_names_it(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("decode: {child_module: transforms.no_such_module}\n")
    with Engine(tmp_path / "engine") as engine:
        job = start_job("sample/catalog.jsonl", tmp_path / "out", f"--config={config}", *engine.flags())
        with job:
            _, errors = job.communicate()
    assert job.returncode == 1
    last = errors.splitlines()[-1]
    assert last.startswith("earmark: The job failed on the engine: RuntimeError: the decoder process does not start")
    assert "nothing was published" in last
    assert not list((tmp_path / "out").glob("[!.]*/run_date=*"))
