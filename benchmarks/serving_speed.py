"""How fast a model is on one thread of a CPU: ``python benchmarks/serving_speed.py --output out/benchmarks``.

Audio-seconds per processor-second of the front end, the network, and both as the main job serves them, for the
SavedModel and for LiteRT files of three precisions, on real windows of the sample shard. Each case is a process of its
own with every library held to one thread. Written to ``serving_speed.json`` and ``serving_speed.md``.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for tests.sample_windows
BATCHES = (1, 4, 16, 64)
FORMS = ("saved_model", "litert float32", "litert int8", "litert int8_weights (served)")
_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")
ONE_THREAD = {f"{name}_THREADS" if "TF" in name else f"{name}_NUM_THREADS": "1" for name in _LIBRARIES}


def best_s(call, least_s):
    """Shortest processor time of a call among rounds of at least ``least_s`` seconds in all."""
    call()
    times = []
    while len(times) < 5 or sum(times) < least_s:
        begun = time.process_time()
        call()
        times.append(time.process_time() - begun)
    return min(times)


def whole_windows(count):
    """``count`` whole windows of real audio."""
    import numpy as np

    from tests.sample_windows import sample_windows

    waveform, valid_samples = sample_windows(every=2)
    waveform = waveform[valid_samples == waveform.shape[1]]
    return np.ascontiguousarray(waveform[np.arange(count) % len(waveform)])


def measure_saved_model(folder, waveforms, least_s):
    import numpy as np
    import tensorflow as tf

    from models.front_end import FrontEnd, log_mel
    from models.saved_model import load_model

    model = load_model(folder, threads=1)
    picture = tf.function(lambda waveform, valid: log_mel(FrontEnd(), waveform, valid))
    speeds = {}
    for batch, waveform in waveforms.items():
        valid = np.full(batch, waveform.shape[1], np.int32)
        given = tf.constant(waveform), tf.constant(valid)
        front_end_s = best_s(lambda given=given: picture(*given)[0].numpy(), least_s)
        both_s = best_s(lambda waveform=waveform, valid=valid: model.predict(waveform, valid), least_s)
        # The network is one graph with its front end, so it is measured as the rest.
        speeds[batch] = {"front_end": front_end_s, "network": both_s - front_end_s, "together": both_s}
    return speeds


def measure_litert(folder, waveforms, least_s, content):
    import numpy as np

    from models.litert_model import LitertModel, load_litert_model
    from models.saved_model import check_model_folder

    metadata = check_model_folder(folder)
    model = load_litert_model(folder) if content is None else LitertModel(metadata, content, 1)
    network = model._network()
    speeds = {}
    for batch, waveform in waveforms.items():
        valid = np.full(batch, waveform.shape[1], np.int32)
        pictures = list(network.front_end.pictures(waveform, valid))
        speeds[batch] = {
            "front_end": best_s(lambda w=waveform, v=valid: list(network.front_end.pictures(w, v)), least_s),
            "network": best_s(lambda p=pictures: [network.classify(picture) for picture in p], least_s),
            "together": best_s(lambda w=waveform, v=valid: model.predict(w, v), least_s),
        }
    return speeds


def measure(form, folder, least_s, file):
    """Seconds per call by batch and part; for the child process."""
    waveforms = {batch: whole_windows(batch) for batch in BATCHES}
    if form == "saved_model":
        return measure_saved_model(folder, waveforms, least_s)
    return measure_litert(folder, waveforms, least_s, pathlib.Path(file).read_bytes() if file else None)


def other_precisions(weights, output):
    """Write LiteRT files of the precisions that are not served; their paths by form."""
    import numpy as np

    from models.folded_network import fold_network
    from models.front_end import FrontEnd
    from models.front_end_numpy import NumpyFrontEnd
    from models.litert_export import convert, network_of_weights

    folded = fold_network(network_of_weights(pathlib.Path(weights), FrontEnd()))
    front_end = NumpyFrontEnd(FrontEnd())
    pictures = np.stack([front_end.picture(samples) for samples in whole_windows(64)])
    paths = {}
    for precision in ("float32", "int8"):
        paths[f"litert {precision}"] = output / f"network_{precision}.tflite"
        paths[f"litert {precision}"].write_bytes(convert(folded, precision, pictures))
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True)
    parser.add_argument("--model", help="model folder (default: the one that ships)")
    parser.add_argument("--weights", help="its network_weights.npz, to measure the precisions that are not served too")
    parser.add_argument("--least_s", type=float, default=1.0, help="processor time per figure")
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    from models.saved_model import WINDOW_S, check_model_folder, shipped_model_folder

    folder = arguments.model or shipped_model_folder()
    if arguments.form:
        print(json.dumps(measure(arguments.form, folder, arguments.least_s, arguments.file)))
        return
    output = pathlib.Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    os.environ |= ONE_THREAD | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    files = other_precisions(arguments.weights, output) if arguments.weights else {}
    lines = ["| form | batch | front end | network | together |", "|---|---|---|---|---|"]
    print("Audio-seconds per processor-second, one thread:\n" + "\n".join(lines), flush=True)
    report = {
        "model_version": check_model_folder(folder).model_version,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "audio_s_per_cpu_s": {},
    }
    for form in FORMS:
        if form.startswith("litert") and not form.endswith("(served)") and form not in files:
            continue
        command = [sys.executable, __file__, "--form", form, "--model", folder, "--output", str(output)]
        command += ["--least_s", str(arguments.least_s), *(["--file", str(files[form])] if form in files else [])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        if done.returncode:
            sys.exit(done.stderr.decode())
        report["audio_s_per_cpu_s"][form] = {}
        for batch, seconds in json.loads(done.stdout).items():
            speeds = {part: int(batch) * WINDOW_S / value for part, value in seconds.items()}
            report["audio_s_per_cpu_s"][form][batch] = speeds
            lines.append(f"| {form} | {batch} | " + " | ".join(f"{speed:,.0f}" for speed in speeds.values()) + " |")
            print(lines[-1], flush=True)
    (output / "serving_speed.json").write_text(json.dumps(report, indent=1) + "\n")
    (output / "serving_speed.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
