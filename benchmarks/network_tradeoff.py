"""What networks of other sizes cost and, with a training pool, what they can: one table to choose from.

``python benchmarks/network_tradeoff.py --output out/benchmarks`` measures size and speed, with random weights. With
``--pool DIR --steps N`` it also trains each network for as many steps on a pool that a training left in its work
folder, and tells the accuracy on windows that it was not trained on: those of ``--dev_pool DIR``, a pool drawn from the
dev split, or else the last tenth of the same pool, whose recordings are those of the training: it flatters all of them.
"""

import argparse
import json
import os
import pathlib
import platform
import time
import warnings

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from candidate_networks import CANDIDATES, HOP_S, Candidate

from models import training
from models.folded_network import fold_network
from models.front_end import FrontEnd
from models.litert_export import convert
from models.training_config import PolishConfig, TrainingConfig

PRECISIONS = ("float32", "int8_weights", "int8")
TEACHER = ("embedding", "scores", "segment_valid")
HEADINGS = (
    "network", "M multiply-adds per audio-s", "weights", "float32: audio-s per CPU-s", "int8 weights", "int8", "MB",
    "category", "type",
)  # fmt: skip


def speed(content: bytes, candidate: Candidate, least_s: float) -> float:
    """Audio-seconds per processor-second of a LiteRT file on one thread: the best of seven rounds."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    given = interpreter.get_input_details()[0]
    made = [details["index"] for details in interpreter.get_output_details()]
    picture = np.random.default_rng(0).standard_normal((1, candidate.frames, 64, 1)).astype(np.float32)
    interpreter.resize_tensor_input(given["index"], picture.shape)
    interpreter.allocate_tensors()
    best_s, calls = np.inf, 8
    for _ in range(7):
        begun = time.process_time()
        for _ in range(calls):
            interpreter.set_tensor(given["index"], picture)
            interpreter.invoke()
            for index in made:
                interpreter.get_tensor(index)
        best_s = min(best_s, (time.process_time() - begun) / calls)
        calls = max(8, int(least_s / best_s))
    return candidate.frames * HOP_S / best_s


def cost(candidate: Candidate, least_s: float) -> dict[str, float]:
    folded = fold_network(candidate.network())
    pictures = np.random.default_rng(1).standard_normal((8, folded.frames, folded.mel_bands)).astype(np.float32)
    row = {
        "million_multiply_adds_per_audio_s": folded.multiply_adds() / (candidate.frames * HOP_S) / 1e6,
        "weights": sum(array.size for array in folded.arrays()),
    }
    for precision in PRECISIONS:
        content = convert(folded, precision, pictures)
        row[f"{precision}_mb"] = len(content) / 1e6
        row[f"{precision}_audio_s_per_cpu_s"] = speed(content, candidate, least_s)
    return row


def open_pool(folder: str) -> dict[str, np.ndarray]:
    names = json.loads((pathlib.Path(folder) / "complete.json").read_text())
    return {name: np.load(pathlib.Path(folder) / f"{name}.npy", mmap_mode="r") for name in names}


def trained(candidate: Candidate, pool: dict[str, np.ndarray], config: TrainingConfig):
    """Train a candidate as the training job would; without the teacher where its segments do not fit the context."""
    if candidate.frames != pool["log_mel"].shape[1]:
        pool = {name: array for name, array in pool.items() if name not in TEACHER}
        pool["log_mel"] = pool["log_mel"][:, : candidate.frames]
        pool["valid_frames"] = np.minimum(pool["valid_frames"], candidate.frames)
    usual = training.EarmarkNetwork
    training.EarmarkNetwork = lambda shape, label_gradient=1.0: candidate.network(label_gradient)
    try:
        return training.train(pool, FrontEnd(), config)[0]
    finally:
        training.EarmarkNetwork = usual


def accuracy(network, candidate: Candidate, dev: dict[str, np.ndarray]) -> dict[str, float]:
    """Balanced accuracy of category and type by window; a shorter context hears all of the window in pieces."""
    told: dict[str, list[np.ndarray]] = {"category": [], "functional_type": []}
    pieces = max(1, dev["log_mel"].shape[1] // candidate.frames)
    for start in range(0, len(dev["category"]), 64):
        pictures = dev["log_mel"][start : start + 64].astype(np.float32)
        frames = dev["valid_frames"][start : start + 64]
        sums = dict.fromkeys(told, 0.0)
        for piece in range(pieces):
            first = piece * candidate.frames
            left = np.clip(frames - first, 0, candidate.frames)
            outputs = network((pictures[:, first : first + candidate.frames], np.maximum(left, 1).astype(np.int32)))
            for name in told:
                logits = outputs[name].numpy()
                odds = np.exp(logits - logits.max(axis=1, keepdims=True))
                sums[name] = sums[name] + left[:, np.newaxis] * odds / odds.sum(axis=1, keepdims=True)
        for name, value in sums.items():
            told[name].append(value.argmax(axis=1))
    result = {}
    for name, parts in told.items():
        truth, answers = np.asarray(dev[name]), np.concatenate(parts)
        result[name] = float(np.mean([np.mean(answers[truth == k] == k) for k in np.unique(truth[truth >= 0])]))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True)
    parser.add_argument("--least_s", type=float, default=0.15, help="processor time per round of a speed")
    parser.add_argument("--pool", help="folder of a training pool, with complete.json")
    parser.add_argument("--dev_pool", help="folder of a pool drawn from the dev split")
    parser.add_argument("--steps", type=int, default=500, help="training steps per network")
    parser.add_argument("--no_teacher", action="store_true", help="train on the labels alone")
    parser.add_argument("--only", help="networks whose name holds this")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.pool:
        config = TrainingConfig(
            steps=arguments.steps, warmup_steps=min(200, arguments.steps // 5), polish=PolishConfig(steps=0)
        )
        training.set_up_tensorflow(config)
        pool = open_pool(arguments.pool)
        if arguments.no_teacher:
            pool = {name: array for name, array in pool.items() if name not in TEACHER}
        held = len(pool["category"]) // 10
        dev = open_pool(arguments.dev_pool) if arguments.dev_pool else {k: a[-held:] for k, a in pool.items()}
        if not arguments.dev_pool:
            pool = {name: array[:-held] for name, array in pool.items()}
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    print("\n".join(lines), flush=True)
    rows = []
    for candidate in CANDIDATES:
        if arguments.only and arguments.only not in candidate.name:
            continue
        row = {"name": candidate.name, **cost(candidate, arguments.least_s)}
        if arguments.pool and candidate.frames <= pool["log_mel"].shape[1]:
            row |= accuracy(trained(candidate, pool, config), candidate, dev)
        rows.append(row)
        cells = [row["name"], f"{row['million_multiply_adds_per_audio_s']:.1f}", f"{row['weights']:,}"]
        cells += [f"{row[f'{precision}_audio_s_per_cpu_s']:,.0f}" for precision in PRECISIONS]
        cells += [f"{row['int8_weights_mb']:.2f}"]
        cells += [f"{row[name]:.3f}" if name in row else "–" for name in ("category", "functional_type")]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    folder = pathlib.Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    report = {"machine": platform.machine(), "cores": os.cpu_count(), "steps": arguments.steps, "candidates": rows}
    (folder / "network_tradeoff.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / "network_tradeoff.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
