"""What cores of this machine give at best: the work of the main job by plain processes, without Beam, pipes or tables.

python -m benchmarks.plain_cores --cores 2 --output_json FILE AUDIO ...

Starts a process for each core and pins it there. They hash, decode and classify the files, six windows each; whoever is
done takes the next one, and nobody waits for anybody. They begin together, after a warm-up. What two of them gain over
one is what the machine has: two hardware threads of one core, caches and memory that are shared, a busy neighbour.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pathlib
import sys
import time
from typing import Any

from benchmarks.peers import own_hash, own_windows, processor_s


def work(core: int, files: list[str], next_file: Any, together: Any, results: Any) -> None:
    """Label files on one core; puts when it began and ended, and its processor seconds."""
    from models.saved_model import shipped_model_folder
    from transforms.allocator import keep_freed_memory
    from transforms.model_inference import EarmarkModelHandler

    os.sched_setaffinity(0, {core})
    keep_freed_memory()  # as in the main job's processes
    handler = EarmarkModelHandler(shipped_model_folder(), runtime="litert")
    model = handler.load_model()
    nothing = argparse.Namespace()
    hashed, decoded = own_hash(nothing), own_windows(nothing)

    def label(path: str) -> None:
        hashed(path)
        list(handler.run_inference(decoded(path), model))

    label(files[0])
    together.wait(timeout=300)
    begun_s, begun_cpu_s = time.monotonic(), processor_s()
    while True:
        with next_file.get_lock():
            index, next_file.value = next_file.value, next_file.value + 1
        if index >= len(files):
            break
        label(files[index])
    results.put((begun_s, time.monotonic(), processor_s() - begun_cpu_s))


def measure(files: list[str], cores: int) -> dict[str, float]:
    """Wall and processor seconds for all files on so many cores, and how many files there were."""
    spawn = multiprocessing.get_context("spawn")
    next_file, together, results = spawn.Value("i", 0), spawn.Barrier(cores), spawn.Queue()
    available = sorted(os.sched_getaffinity(0))
    if len(available) < cores:
        sys.exit(f"--cores {cores}: this process may use {len(available)}")
    processes = [
        spawn.Process(target=work, args=(core, files, next_file, together, results)) for core in available[:cores]
    ]
    for process in processes:
        process.start()
    taken = [results.get(timeout=3600) for _ in processes]  # one that fails would be waited for
    for process in processes:
        process.join()
    return {
        "tracks": len(files),
        "wall_s": max(end for _, end, _ in taken) - min(begin for begin, _, _ in taken),
        "cpu_s": sum(cpu_s for _, _, cpu_s in taken),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--output_json", type=pathlib.Path, required=True)
    parser.add_argument("audio", nargs="+")
    arguments = parser.parse_args()
    arguments.output_json.write_text(json.dumps(measure(arguments.audio, arguments.cores)))


if __name__ == "__main__":
    main()
