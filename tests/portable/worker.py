"""A Python worker as a pool starts it, for an engine with more than one worker per job.

Workers give their metrics short names, counted from 1 on, and Prism keeps one table of names for all workers of a job:
two of them would be told apart no more, and the job fails. Here each worker counts from a number of its own.
"""

import argparse
import zlib

from apache_beam.runners.worker import sdk_worker

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--id")
    parser.add_argument("--control_endpoint")
    arguments, _ = parser.parse_known_args()
    sdk_worker.SHORT_ID_CACHE._last_short_id = zlib.crc32(arguments.id.encode()) << 32
    sdk_worker.SdkHarness(arguments.control_endpoint, worker_id=arguments.id).run()
