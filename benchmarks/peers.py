"""What the main job is compared with, and its own parts alone: one case in a process of its own, held to one thread.

python -m benchmarks.peers CASE --output_json FILE [--teacher DIR] [--ina DIR] AUDIO ...

Processor seconds are taken after a warm-up on the first file, so no case is charged for imports or for loading its
network.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

RATE_HZ: Final = 16_000
WINDOW_S: Final = 5.0
WINDOWS: Final = 6


def processor_s() -> float:
    """Processor time of this process and of those that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def load_file(path: pathlib.Path, name: str) -> Any:
    """Import one file, without the package around it."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path}: no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def librosa_and_teacher(arguments: argparse.Namespace) -> Callable[[str], object]:
    """The script that a user would write: librosa.load, then the teacher in eager mode, file by file."""
    import librosa

    teacher = load_file(pathlib.Path(arguments.teacher) / "teacher.py", "teacher")
    network = teacher.load_teacher()

    def label(path: str) -> object:
        samples, _ = librosa.load(path, sr=RATE_HZ, mono=True)
        return network(teacher.log_mel_patches(samples))[0].numpy().mean(axis=0)

    return label


def ina_network(arguments: argparse.Namespace) -> Callable[[str], object]:
    """inaSpeechSegmenter's features and CNN (speech, music, noise), with ffmpeg as it uses it, no Viterbi steps."""
    import keras

    folder = pathlib.Path(arguments.ina) / "inaSpeechSegmenter"
    np.lib.pad, np.int = np.pad, int  # type: ignore[attr-defined]  # where they were when the package was made
    features = load_file(folder / "sidekit_mfcc.py", "sidekit_mfcc")
    # Keras 3 reads this file's layers and weights, and misreads its input.
    stored = keras.models.load_model(folder / "keras_speech_music_noise_cnn.hdf5", compile=False)
    given = made = keras.Input((68, 21))
    for layer in stored.layers:
        made = layer(made)
    network = keras.Model(given, made)

    def label(path: str) -> object:
        with tempfile.TemporaryDirectory() as scratch:
            wav = f"{scratch}/audio.wav"
            command = ["ffmpeg", "-v", "error", "-y", "-i", path, "-ar", "16000", "-ac", "1", wav]
            subprocess.run(command, check=True)
            signal = features.read_wav(wav)[0]
        with np.errstate(divide="ignore"):
            _, energy, _, bands = features.mfcc(signal.astype(np.float32), get_mspec=True)
        patches = np.lib.stride_tricks.sliding_window_view(bands[:, :21], 68, axis=0)[::2].transpose(0, 2, 1)
        patches = patches - patches.mean(axis=(1, 2), keepdims=True)
        patches /= patches.std(axis=(1, 2), keepdims=True)
        heard = energy[34 : 34 + 2 * len(patches) : 2] > energy[np.isfinite(energy)].mean() + np.log(0.03)
        kept = patches[: len(heard)][heard & np.isfinite(patches[: len(heard)]).all(axis=(1, 2))]
        return network.predict(kept, batch_size=32, verbose=0)

    return label


def plain_windows(_: argparse.Namespace) -> Callable[[str], object]:
    """Decoding six windows alone, as PyAV's documentation has it: seek, decode, resample to 16 kHz mono."""
    import av

    def decode(path: str) -> object:
        windows = []
        with av.open(path) as container:
            stream = container.streams.audio[0]
            stream.codec_context.thread_count = 1
            duration_s = container.duration / av.time_base
            for index in range(WINDOWS):
                begin_s = (2 * index + 1) * duration_s / (2 * WINDOWS) - WINDOW_S / 2
                container.seek(int(begin_s / stream.time_base), stream=stream)
                resampler = av.AudioResampler("fltp", "mono", RATE_HZ)
                pieces = []
                for frame in container.decode(stream):
                    if frame.time + frame.samples / frame.sample_rate < begin_s:
                        continue
                    pieces += [piece.to_ndarray() for piece in resampler.resample(frame)]
                    if frame.time > begin_s + WINDOW_S:
                        break
                windows.append(np.concatenate(pieces, axis=1)[0, : int(WINDOW_S * RATE_HZ)])
        return windows

    return decode


def plain_full(_: argparse.Namespace) -> Callable[[str], object]:
    """Decoding all of a track alone with PyAV, to 16 kHz mono."""
    import av

    def decode(path: str) -> object:
        samples = 0
        with av.open(path) as container:
            stream = container.streams.audio[0]
            stream.codec_context.thread_count = 1
            resampler = av.AudioResampler("fltp", "mono", RATE_HZ)
            for frame in container.decode(stream):
                samples += sum(piece.to_ndarray().size for piece in resampler.resample(frame))
            samples += sum(piece.to_ndarray().size for piece in resampler.resample(None))
        return samples

    return decode


def _decoded(path: str, coverage: str) -> Iterator[Any]:
    from models.audio_decoding import decode_windows
    from models.window_records import DecodePlan

    return decode_windows(path, DecodePlan(coverage=coverage, sampled_windows=WINDOWS))


def own_windows(_: argparse.Namespace) -> Callable[[str], object]:
    """The main job's decoder alone, six windows."""
    return lambda path: list(_decoded(path, "sampled"))


def own_full(_: argparse.Namespace) -> Callable[[str], object]:
    """The main job's decoder alone, all of the track, no more than a window held."""
    return lambda path: sum(1 for _ in _decoded(path, "full"))


def own_hash(_: argparse.Namespace) -> Callable[[str], object]:
    """Reading a file for its sha256."""
    from transforms.audio_sources import AudioRoot, identify

    return lambda path: identify(pathlib.Path(path).name, AudioRoot(str(pathlib.Path(path).parent)))


def own_network(arguments: argparse.Namespace) -> Callable[[str], object]:
    """Front end, network and tone search on the six windows of a track that was decoded before."""
    from models.saved_model import shipped_model_folder
    from transforms.model_inference import EarmarkModelHandler

    handler = EarmarkModelHandler(shipped_model_folder(), runtime=arguments.runtime)
    model = handler.load_model()
    windows = {path: list(_decoded(path, "sampled")) for path in arguments.audio}
    return lambda path: list(handler.run_inference(windows[path], model))


def own_rounds(arguments: argparse.Namespace) -> Callable[[str], object]:
    """Decoding and classifying in the rounds of adaptive coverage, without Beam; gives the number of windows."""
    import dataclasses

    from models.adaptive_coverage import merge_summaries, needs_more
    from models.audio_decoding import decode_windows
    from models.audio_windows import window_starts
    from models.decision import decide_audio
    from models.saved_model import check_model_folder, shipped_model_folder
    from pipelines.job_config import JobConfig, decode_plan
    from transforms.model_inference import EarmarkModelHandler

    folder, config = shipped_model_folder(), JobConfig()
    metadata = check_model_folder(folder)
    plan = decode_plan(config, metadata)
    handler = EarmarkModelHandler(folder, runtime=arguments.runtime)
    model = handler.load_model()

    def label(path: str) -> object:
        starts = None
        summaries, predictions = [], []
        for index in range(len(plan.round_windows)):
            decoding = decode_windows(path, dataclasses.replace(plan, starts=starts))
            windows = []
            try:
                while True:
                    windows.append(next(decoding))
            except StopIteration as end:
                summaries.append(end.value)
            predictions = sorted([*predictions, *handler.run_inference(windows, model)], key=lambda p: p.start_s)
            summary = merge_summaries(summaries)
            starts = tuple(window_starts(round(summary.duration_s * plan.sample_rate_hz), plan, index + 1))
            decision = decide_audio(predictions, summary, metadata.calibration, config.decision)
            if not starts or not needs_more(decision, predictions, summary, config.decision):
                break
        return len(predictions)

    return label


CASES: Final[dict[str, Callable[[argparse.Namespace], Callable[[str], object]]]] = {
    case.__name__: case
    for case in (
        librosa_and_teacher, ina_network, plain_windows, plain_full, own_windows, own_full, own_hash, own_network,
        own_rounds,
    )
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--output_json", type=pathlib.Path, required=True)
    parser.add_argument("--teacher")
    parser.add_argument("--ina")
    parser.add_argument("--runtime", default="litert")
    parser.add_argument("audio", nargs="+")
    arguments = parser.parse_args()
    if arguments.case.startswith("own_"):
        from transforms.allocator import keep_freed_memory

        keep_freed_memory()  # as in the main job's processes
    work = CASES[arguments.case](arguments)
    work(arguments.audio[0])
    begun_cpu_s, begun_s = processor_s(), time.monotonic()
    made = [work(path) for path in arguments.audio]
    result: dict[str, float] = {
        "tracks": len(arguments.audio),
        "cpu_s": processor_s() - begun_cpu_s,
        "wall_s": time.monotonic() - begun_s,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if arguments.case == "own_rounds":
        result["windows"] = float(np.mean(made))
    arguments.output_json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
