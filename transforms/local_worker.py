"""A worker process of a local run (``--processes N``): Beam's own worker, that ends with the process that started it.

Started as ``python -m transforms.local_worker`` by :mod:`pipelines.local_workers`.
"""

from __future__ import annotations

import sys

from transforms.worker_life import end_with_main_process


def main() -> None:
    """Serve the process that started this one; Beam is imported when that process is known to live."""
    end_with_main_process()
    from apache_beam.runners.worker import sdk_worker_main

    from transforms.stage_buffers import small_buffers

    with small_buffers():
        sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
    main()
