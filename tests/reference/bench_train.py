"""Times the trainer against PyTorch on the same sizes, taking turns, and prints both and their ratio.

usage: python bench_train.py FOLDER [step options]           one training step
       python bench_train.py FOLDER --epoch CLIPS [options]  one epoch over clips of realistic lengths

FOLDER holds the programs that trainer/examples/bench_step.rs and bench_epoch.rs make. PyTorch runs the module and the
objective of umca_torch.py (rank-N-contrast without a loop, audio and video projected once) with dropout and
torch.optim.Adam. Its epoch is the authors' loop: clips in the corpus's order, every batch padded to its longest clip, no
mask; its rows are in memory already, the trainer's are read from a store.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch

import umca_torch as u


def clips(n):
    """Rows of audio, text, simulated text, video: log-normal from 1 to 30 s, 50 rows of audio, 6 of text, 24 of video a second."""
    generator = torch.Generator().manual_seed(5)
    seconds = (1.6 + 0.7 * torch.randn(n, generator=generator)).exp().clamp(1, 30)
    simulated = (0.8 + 0.4 * torch.rand(n, generator=generator)) * seconds
    rows = lambda s, per_second: (s * per_second).round().clamp(min=1).int().tolist()
    return list(zip(rows(seconds, 50), rows(seconds, 6), rows(simulated, 6), rows(seconds, 24)))


def batches(lengths, size):
    """The longest of each batch in the corpus's order, and its number of clips."""
    parts = [lengths[i : i + size] for i in range(0, len(lengths), size)]
    return [(len(part), [max(row[k] for row in part) for k in range(4)]) for part in parts]


class PyTorch:
    def __init__(self, a, largest):
        torch.manual_seed(1)
        self.device, self.half = torch.device(a.device), a.precision == "bf16"
        self.model = u.Umca(1024, 4096, 1024).train().to(self.device)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-4, weight_decay=1e-5)
        # One block of numbers for all batches: making them is not part of a step.
        self.pool = torch.rand(largest, device=self.device) * 2 - 1

    def step(self, b, rows):
        widths = {"audio": 1024, "text": 4096, "simulated_text": 4096, "video": 1024}
        batch = {name: (self.pool[: b * t * w].view(b, t, w), None) for (name, w), t in zip(widths.items(), rows)}
        labels = (torch.arange(b) % 19 / 3.0 - 3.0).to(self.device)
        self.optimiser.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            flows = u.both_flows(self.model, batch, masked=False)
        flows = [{k: v.float() for k, v in flow.items()} for flow in flows]
        loss = u.losses(*flows, labels)["total"]
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def timed(self, steps):
        wall, cpu = [], time.process_time()
        for b, rows in steps:
            begun = time.perf_counter()
            self.step(b, rows)
            wall.append(time.perf_counter() - begun)
        return wall, time.process_time() - cpu


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def pytorch(a):
    """In a process of its own, so that its peak memory is its own."""
    if a.epoch:
        steps = batches(clips(a.epoch), a.batch)
        size = max(b * max(r[0] * 1024, r[1] * 4096, r[2] * 4096, r[3] * 1024) for b, r in steps)
        torches = PyTorch(a, size)
        torches.step(*steps[0])
        wall, cpu = torches.timed(steps)
        return dict(wall=sum(wall), cpu=cpu, peak_gb=peak(), steps=len(steps))
    audio, text, video = a.rows
    rows = [audio, text, text, video]
    torches = PyTorch(a, a.batch * max(audio * 1024, text * 4096, video * 1024))
    torches.step(a.batch, rows)
    wall, cpu = torches.timed([(a.batch, rows)] * a.steps)
    return dict(wall=statistics.median(wall), cpu=cpu / a.steps, peak_gb=peak())


def last_line(command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--batch", type=int, default=96)
    p.add_argument("--rows", type=int, nargs=3, default=[250, 30, 120])
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--epoch", type=int, default=0)
    p.add_argument("--device", default="cpu")
    p.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    p.add_argument("--only-pytorch", action="store_true")
    a = p.parse_args()
    if a.only_pytorch:
        print(json.dumps(pytorch(a)))
        return
    mine, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        if a.epoch:
            lengths = os.path.join(folder, "lengths.json")
            with open(lengths, "w") as f:
                json.dump(clips(a.epoch), f)
            ours = ["bench_epoch", lengths, os.path.join(folder, "store"), a.device, a.precision]
        else:
            ours = ["bench_step", *(str(n) for n in (a.batch, *a.rows, a.steps)), a.device, a.precision]
        ours[0] = os.path.join(a.folder, ours[0])
        for _ in range(a.rounds):
            mine.append(last_line(ours))
            theirs.append(last_line([sys.executable, *sys.argv, "--only-pytorch"]))
    what = f"epoch of {a.epoch} clips" if a.epoch else f"step, rows {a.rows}"
    print(f"{what}, batch {a.batch}, {a.device} {a.precision}, {os.cpu_count()} cores, torch {torch.__version__}")
    for name, unit in (("wall", "s"), ("cpu", "s"), ("peak_gb", "GB")):
        ours, other = (statistics.median(x[name] for x in runs) for runs in (mine, theirs))
        print(f"{name:8} mien {ours:7.3f} {unit}   PyTorch {other:7.3f} {unit}   ratio {ours / other:.2f}")
    if a.epoch:
        print("mien, each round:", *(json.dumps(x) for x in mine))


main()
