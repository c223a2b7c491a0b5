"""The streams that go with the sample shard: as the script makes them, and what the README's commands do with them."""

import subprocess
import sys

import duckdb
import pyarrow.parquet as pq

from pipelines import build_warehouse, preview_payout
from tests.sample_run import POLICIES, SAMPLE

STREAMS = SAMPLE / "streams" / "streams.parquet"


def test_the_script_makes_the_table_that_is_there(tmp_path):
    again = tmp_path / "streams.parquet"
    subprocess.run([sys.executable, SAMPLE / "build_streams.py", "--output", again], check=True)
    assert pq.read_table(again).equals(pq.read_table(STREAMS), check_metadata=True)


def test_they_preview_a_payout_and_rank_the_review_queue(sample_output, tmp_path):
    glob = str(SAMPLE / "streams" / "*.parquet")
    policies = [flag for name in POLICIES for flag in ("--policy", name)]
    arguments = ["--tables", str(sample_output), "--streams", glob, *policies, "--pool", "10000.00"]
    assert preview_payout.run([*arguments, "--output", str(tmp_path / "payout")]) == 0
    split = duckdb.read_parquet(str(tmp_path / "payout" / "payout_split.parquet"))
    paid = dict(duckdb.sql("SELECT policy_id, sum(amount) FROM split GROUP BY ALL").fetchall())
    assert {name: float(amount) for name, amount in paid.items()} == dict.fromkeys(POLICIES, 10000.0)
    assert split.filter("royalty_class = 'unlabelled'").fetchall()  # the track that was withdrawn
    warehouse = tmp_path / "earmark.duckdb"
    assert build_warehouse.run(["--tables", str(sample_output), "--database", str(warehouse), "--streams", glob]) == 0
    with duckdb.connect(str(warehouse), read_only=True) as database:
        at_stake = database.sql("SELECT streams_at_stake FROM review_queue ORDER BY queue_position").fetchnumpy()
        assert at_stake["streams_at_stake"][0] > 0
        uncovered = "SELECT count(*) FROM coverage_by_licensor WHERE labelled_share_of_streams < 1"
        assert database.sql(uncovered).fetchall() != [(0,)]
