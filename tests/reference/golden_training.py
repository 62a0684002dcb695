"""Writes what PyTorch gives for the trainer's gradients and for ten steps of its Adam.

usage: python golden_training.py PATH/TO/fill.py GOLDEN/fusion.safetensors OUT.safetensors   (needs torch and safetensors)

First the module of `umca_torch.py` is held against the authors' outputs and losses in fusion.safetensors. Then, with
formula weights times `scale`, formula inputs of the sizes in the metadata, masked padding and no dropout:

value.TERM          [1]     f64: each term of the objective
gradient.TERM.NAME  [2]     f64: of the gradient of TERM by NAME its norm and its product with the unit formula vector
                            probe.NAME; absent where PyTorch has no gradient
step.NAME           [6]     f32 training: NAME after ten steps of torch.optim.Adam on one batch: first, middle and last
                            value, sum, norm, product with probe.NAME
"""
import importlib.util
import json
import sys

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import umca_torch as u

SEED, DIMS, STEPS, RATE, DECAY = 11, (24, 40, 16), 10, 1e-4, 1e-5
# Formula weights as they are give valences near 100, at which nobody trains.
SCALE = 0.4
LENGTHS = {"audio": [9, 5, 7, 9, 1, 4], "text": [4, 6, 1, 3, 6, 2], "simulated_text": [3, 1, 5, 2, 4, 5],
           "video": [8, 8, 2, 5, 6, 3]}
LABELS = [1.0, -2 / 3, 0.0, 1.0, 7 / 3, -2.0]

spec = importlib.util.spec_from_file_location("fill", sys.argv[1])
fill = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fill)


def tensor(seed, name, shape, dtype=torch.float32):
    return torch.from_numpy(fill.fill(seed, name, shape)).to(dtype)


def against_the_authors(path):
    golden = load_file(path)
    for tag, mia in (("released", False), ("mia", True)):
        model = u.Umca(1024, 4096, 1024, mia=mia)
        fill.fill_module(model, 7)
        model.double().eval()
        full = lambda name, frames, width: (tensor(7, f"input.{name}", (4, frames, width), torch.float64), [frames] * 4)
        batch = {"audio": full("audio", 50, 1024), "text": full("text", 12, 4096),
                 "simulated_text": full("simulated_text", 17, 4096), "video": full("video", 20, 1024)}
        with torch.no_grad():
            flows = u.both_flows(model, batch)
            terms = u.losses(*flows, 3 * tensor(7, "input.label", (4,), torch.float64))
        worst = 0.0
        for name, flow in zip(("complete", "missing"), flows):
            for part in ("valence", "fused", "contrast", "text_hidden", "text_cross"):
                expected = golden[f"{tag}.{name}.{part}"]
                worst = max(worst, np.abs(flow[part].numpy() - expected).max() / max(1, np.abs(expected).max()))
        for part in ("task_complete", "task_missing", "mkd1", "mkd2", "rs", "rnc"):
            expected = float(golden[f"{tag}.loss.{part}"][0])
            worst = max(worst, abs(float(terms[part]) - expected) / max(1, expected))
        print(f"{tag}: at most {worst:.1e} from the authors' module")
        assert worst < 1e-5


def batch(dtype):
    rows = {}
    for name, width in zip(LENGTHS, (DIMS[0], DIMS[1], DIMS[1], DIMS[2])):
        lengths = LENGTHS[name]
        data = tensor(SEED, f"input.{name}", (len(LABELS), max(lengths), width), dtype)
        data[u.excluded(lengths, max(lengths))] = 0
        rows[name] = (data, lengths)
    return rows, torch.tensor(LABELS, dtype=torch.float32).to(dtype)


def scaled():
    model = u.Umca(*DIMS)
    fill.fill_module(model, SEED)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(torch.tensor(SCALE, dtype=torch.float32))
    return model.eval()


def main():
    against_the_authors(sys.argv[2])
    out = {}
    probe = lambda name, shape: fill.unit(SEED, f"probe.{name}", int(np.prod(shape))).astype(np.float64)

    model = scaled().double()
    rows, labels = batch(torch.float64)
    terms = u.losses(*u.both_flows(model, rows), labels)
    for term, value in terms.items():
        out[f"value.{term}"] = np.array([value.item()])
        gradients = torch.autograd.grad(value, list(model.parameters()), retain_graph=True, allow_unused=True)
        for (name, parameter), gradient in zip(model.named_parameters(), gradients):
            if gradient is not None:
                flat = gradient.flatten().numpy()
                out[f"gradient.{term}.{name}"] = np.array([np.linalg.norm(flat), flat @ probe(name, parameter.shape)])

    model = scaled()
    rows, labels = batch(torch.float32)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(STEPS):
        optimiser.zero_grad()
        total = u.losses(*u.both_flows(model, rows), labels)["total"]
        total.backward()
        optimiser.step()
        print(f"total {total.item():.6f}")
    for name, parameter in model.named_parameters():
        flat = parameter.detach().flatten().double().numpy()
        out[f"step.{name}"] = np.array([flat[0], flat[len(flat) // 2], flat[-1], flat.sum(), np.linalg.norm(flat),
                                        flat @ probe(name, parameter.shape)])
    meta = dict(seed=SEED, scale=SCALE, dims=DIMS, lengths=LENGTHS, steps=STEPS, rate=RATE, weight_decay=DECAY)
    save_file(out, sys.argv[3], metadata={k: json.dumps(v) for k, v in meta.items()})
    print(f"{len(out)} entries, torch {torch.__version__}")


main()
