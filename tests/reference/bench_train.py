"""Times the trainer's step against PyTorch's on the same sizes, taking turns, and prints both and their ratio.

usage: python bench_train.py BENCH_STEP [--batch N] [--rows AUDIO TEXT VIDEO] [--steps N] [--rounds N]

BENCH_STEP is the program that trainer/examples/bench_step.rs makes. PyTorch runs the module and the objective of
umca_torch.py (rank-N-contrast without a loop, audio and video projected once) with dropout and torch.optim.Adam.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import torch

import umca_torch as u


def pytorch(a):
    torch.manual_seed(1)
    (ra, rt, rv), b = a.rows, a.batch
    model = u.Umca(1024, 4096, 1024).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-5)
    stream = lambda rows, width: (torch.rand(b, rows, width) * 2 - 1, [rows] * b)
    batch = {"audio": stream(ra, 1024), "text": stream(rt, 4096), "simulated_text": stream(rt, 4096),
             "video": stream(rv, 1024)}
    labels = torch.arange(b) % 19 / 3.0 - 3.0

    def step():
        optimiser.zero_grad()
        loss = u.losses(*u.both_flows(model, batch, masked=False), labels)["total"]
        loss.backward()
        optimiser.step()

    step()
    wall, cpu = [], time.process_time()
    for _ in range(a.steps):
        begun = time.perf_counter()
        step()
        wall.append(time.perf_counter() - begun)
    cpu = (time.process_time() - cpu) / a.steps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return dict(wall=statistics.median(wall), cpu=cpu, peak_gb=peak)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("bench")
    p.add_argument("--batch", type=int, default=96)
    p.add_argument("--rows", type=int, nargs=3, default=[250, 25, 250])
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--only-pytorch", action="store_true")
    a = p.parse_args()
    if a.only_pytorch:
        print(json.dumps(pytorch(a)))
        return
    sizes = [str(n) for n in (a.batch, *a.rows, a.steps)]
    mine, theirs = [], []
    for _ in range(a.rounds):
        mine.append(json.loads(subprocess.run([a.bench, *sizes], check=True, capture_output=True).stdout))
        # A process of its own, so that its peak memory is its own.
        again = subprocess.run([sys.executable, *sys.argv, "--only-pytorch"], check=True, capture_output=True)
        theirs.append(json.loads(again.stdout))
    print(f"batch {a.batch}, rows {a.rows}, {os.cpu_count()} cores, torch {torch.__version__}")
    for name, unit in (("wall", "s"), ("cpu", "s"), ("peak_gb", "GB")):
        ours, other = (statistics.median(x[name] for x in runs) for runs in (mine, theirs))
        print(f"{name:8} mien {ours:7.3f} {unit}   PyTorch {other:7.3f} {unit}   ratio {ours / other:.2f}")


main()
