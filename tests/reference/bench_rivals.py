"""WavLM-Large and MA-Net in mien and in onnxruntime: time, peak memory and load time, on the files that mien wrote and on
onnxruntime's own int8 of them. Every figure is of a process of its own; rivals run in turn, and the best of all runs counts.

usage: bench_rivals.py BENCH_GRAPHS FOLDER [--quick | --rounds N]
"""

import json
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 3
REPEATS = 4


def child(path, size, threads, repeats):
    """One onnxruntime session in this process."""
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    start = time.perf_counter()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    load = time.perf_counter() - start
    rng = np.random.default_rng(1)
    feeds = inputs(session, size, rng)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        session.run(None, feeds)
        times.append(time.perf_counter() - start)
    print(json.dumps({
        "load_s": load, "first_s": times[0], "best_s": min(times[1:]),
        "peak_kib": peak(),
    }))


def peak():
    """What this program held at most; resource.getrusage would count what its parent held before it started."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))


def inputs(session, size, rng):
    import numpy as np

    name = session.get_inputs()[0].name
    if name == "waveform":
        samples = int(size * 16000)
        samples = 320 * ((samples - 400) // 320 + 1) + 80
        return {name: rng.standard_normal((1, samples)).astype(np.float32)}
    return {name: rng.random((int(size), 3, 224, 224), dtype=np.float32)}


class Faces:
    """Faces for onnxruntime's static calibration."""

    def __init__(self, count):
        import numpy as np

        rng = np.random.default_rng(2)
        self.faces = iter([{"face": rng.random((1, 3, 224, 224), dtype=np.float32)} for _ in range(count)])

    def get_next(self):
        return next(self.faces, None)


def quantise(folder):
    """onnxruntime's int8 of the float files: the best known settings for each network."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

    wavlm = folder / "ort_wavlm_int8.onnx"
    if not wavlm.exists():
        quantize_dynamic(folder / "wavlm.onnx", wavlm, per_channel=True, weight_type=QuantType.QInt8,
                         op_types_to_quantize=["MatMul"], use_external_data_format=True)
    manet = folder / "ort_manet_int8.onnx"
    if (folder / "manet.onnx").exists() and not manet.exists():
        quantize_static(folder / "manet.onnx", manet, Faces(4), quant_format=QuantFormat.QOperator, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv"])
    return {"wavlm": wavlm, "manet": manet}


def measure(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command}: {done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def best(runs):
    return {key: min(run[key] for run in runs) for key in ("load_s", "best_s", "peak_kib")}


def main():
    bench, folder = Path(sys.argv[1]), Path(sys.argv[2])
    quick = "--quick" in sys.argv
    rounds = int(sys.argv[sys.argv.index("--rounds") + 1]) if "--rounds" in sys.argv else ROUNDS
    quantised = quantise(folder)
    sizes = {"wavlm": [2, 5, 10], "manet": [1, 8]}
    networks = [name for name in sizes if (folder / f"{name}.onnx").exists()]
    rows = []
    for network in networks:
        for threads in [1, 2]:
            for size in sizes[network][1:2] if quick else sizes[network]:
                rivals = {}
                for numbers in ["f32", "int8"]:
                    ours = f"{network}_fused" if numbers == "f32" else f"{network}_int8"
                    theirs = folder / f"{network}.onnx" if numbers == "f32" else quantised[network]
                    rivals[f"mien {numbers}"] = [str(bench), "run", str(folder), ours, str(size), str(threads), str(REPEATS)]
                    rivals[f"ort {numbers}"] = [sys.executable, __file__, "--child", str(theirs), str(size), str(threads), str(REPEATS)]
                runs = {name: [] for name in rivals}
                for _ in range(1 if quick else rounds):
                    for name, command in rivals.items():
                        runs[name].append(measure(command))
                rows.append((network, size, threads, {name: best(found) for name, found in runs.items()}))
                print(line(*rows[-1]), file=sys.stderr, flush=True)
    print(HEAD)
    for row in rows:
        print(line(*row))


HEAD = ("| network | size | threads | f32 mien s | f32 ort s | ratio | int8 mien s | int8 ort s | ratio | int8 peak MB mien / ort |"
        " ratio | int8 load s mien / ort |\n|" + "---|" * 12)


def line(network, size, threads, found):
    unit = "s" if network == "wavlm" else "faces"
    a, b, c, d = (found[key] for key in ["mien f32", "ort f32", "mien int8", "ort int8"])
    ratio = lambda x, y, key: f"{x[key] / y[key]:.2f}"
    megabytes = lambda x: f"{x['peak_kib'] / 1024:.0f}"
    return (f"| {network} | {size} {unit} | {threads} | {a['best_s']:.3f} | {b['best_s']:.3f} | {ratio(a, b, 'best_s')} |"
            f" {c['best_s']:.3f} | {d['best_s']:.3f} | {ratio(c, d, 'best_s')} | {megabytes(c)} / {megabytes(d)} |"
            f" {ratio(c, d, 'peak_kib')} | {c['load_s']:.2f} / {d['load_s']:.2f} |")


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        child(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
