"""Decoders that crash, hang and bloat: each costs its own file, and the next run mends it."""

from tests.faults.disturbed_job import CONFIG_OF_LOW_LIMITS, TRACKS, Job, tables_of

FAULTS = {
    "crickets": ("segfault", "decoder_crash"),
    "latin": ("sleep", "decode_timeout"),
    "room": ("bomb", "decoder_out_of_memory"),
    "phrases": ("nativebomb", "decoder_out_of_memory"),
    "words": ("spin", "decode_timeout"),
    "pyramide": ("garbage", "decoder_crash"),
}


def test_each_fault_costs_one_track_and_a_rerun_mends_it(job: Job, undisturbed: dict[str, bytes]) -> None:
    job.config.write_text(CONFIG_OF_LOW_LIMITS)
    job.decoder_faults({track_id: fault for track_id, (fault, _) in FAULTS.items()})
    job.run()
    assert job.published()
    assert job.causes() == {track_id: cause for track_id, (_, cause) in FAULTS.items()} | {"none": "missing_audio"}
    assert {row["track_id"] for row in job.table("track_labels")} == TRACKS.keys() - FAULTS.keys()
    job.decoder_faults({})
    job.run()
    assert tables_of(job.published()) == tables_of(undisturbed)
