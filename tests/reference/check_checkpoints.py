"""Holds `mien-train bundle build` against PyTorch: every form of every checkpoint, and WavLM's outputs.

usage: check_checkpoints.py PATH/TO/fill.py MIEN_TRAIN ONNX_CASES FOLDER [--large]
                                                          (needs numpy, torch, safetensors, transformers)

Small networks with formula weights are written in every form that published files come in. A bundle from each must have the
very bytes of the one from plain safetensors files; where a form holds other numbers (half precision, a weight norm that torch has
multiplied out), those of the same numbers, or numbers within 1e-6. WavLM's two outputs must lie within 1e-4 of transformers', of
each output's largest value. `--large` does that at WavLM-Large's size, with all networks at their published sizes, the optimiser
and the recorder of training beside them.
"""
import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file

import checkpoints as c

PARTS = ("wavlm", "manet", "projector", "fusion")
SIZES = dict(small=dict(width=8, hidden=128, text=64), large=dict(width=64, hidden=2048, text=4096))
failures = 0


def verdict(label, holds, detail=""):
    global failures
    failures += not holds
    print(f"  {label:58} {'holds' if holds else 'FAILS'}  {detail}")


def build(program, files, out, *more):
    options = [word for part in PARTS for word in (f"--{part}", str(files[part]))]
    done = subprocess.run([program, "bundle", "build", *options, "--out", str(out), "--json", *more], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{files}: {done.stderr}")
    return json.loads(done.stdout)


def same(a, b, part):
    return all((a / f"{part}{end}").read_bytes() == (b / f"{part}{end}").read_bytes() for end in (".onnx", ".weights"))


def distance(a, b, part):
    """Largest difference of two weight files, of the largest value."""
    a, b = (np.fromfile(folder / f"{part}.weights", dtype=np.float32).astype(np.float64) for folder in (a, b))
    return float(np.abs(a - b).max() / np.abs(b).max()) if a.shape == b.shape else float("inf")


def parity(program, fill, bundle, size, layer, folder):
    """The bundle's WavLM in the device program's engine, beside transformers' on the same waveform."""
    subprocess.run([program, str(bundle), str(folder)], check=True)
    case = load_file(folder / "wavlm.safetensors")
    with torch.no_grad():
        theirs = c.wavlm_model(fill, size)(torch.from_numpy(case["input.waveform"]), output_hidden_states=True)
    for name, expected in ((f"hidden.{layer}", theirs.hidden_states[layer]), ("last", theirs.last_hidden_state)):
        expected, found = expected[0].numpy(), case[f"output.{name}"]
        error = float(np.abs(found - expected).max() / np.abs(expected).max())
        verdict(f"WavLM ({size}) {name} {list(found.shape)} against transformers", error <= 1e-4, f"{error:.1e} of the largest value")


def forms(states, out):
    """(part, label, file) of every form that must give the very same bytes."""
    for part, prefix, extra in (
        ("wavlm", "wavlm.", {"lm_head.weight": torch.ones(3, 4)}),
        ("manet", "module.", {}),
        ("projector", "encoder_projector.", {"llm.lora_A.weight": torch.ones(2, 2)}),
        ("fusion", "module.model.", {}),
    ):
        state = states[part]
        folder = out / "forms" / part
        if part == "wavlm":
            c.save_config("small", folder)
        yield part, "zip archive", c.save(state, folder / "plain.pt")
        yield part, "old form", c.save(state, folder / "plain_legacy.pt", legacy=True)
        wrapped = c.prefixed(state, prefix) | OrderedDict(extra)
        yield part, f"prefix {prefix}", c.save(wrapped, folder / "prefix.pt")
        yield part, "{epoch, state_dict, best_acc, optimizer, recorder}, old form", c.save(training(wrapped), folder / "training.pth", legacy=True)
        yield part, "{model: {state_dict: ..}}", c.save({"model": {"state_dict": state}}, folder / "deep.pt")
        if part == "wavlm":
            old = c.wavlm_spelled(state, "old")
            yield part, "weight_g and weight_v, zip archive", c.save(old, folder / "old.bin")
            yield part, "weight_g and weight_v, old form", c.save(old, folder / "old_legacy.bin", legacy=True)
            yield part, "weight_g and weight_v, safetensors", c.save_tensors(old, folder / "old.safetensors")


def training(state):
    """What training scripts save around a state dict."""
    parameters = OrderedDict((n, v) for n, v in state.items() if "running_" not in n and "num_batches" not in n)
    return {"epoch": 8, "state_dict": state, "best_acc": torch.tensor(88.33), "recorder": c.RecorderMeter(),
            "optimizer": c.adam_state(parameters, lambda _: True)}


def states_of(fill, size):
    s = SIZES[size]
    hidden = c.WAVLM[size]["hidden_size"]
    wavlm = OrderedDict(c.wavlm_model(fill, size).state_dict())
    return dict(
        wavlm=wavlm,
        manet=c.filled(fill, c.manet_shapes(s["width"], 7)),
        projector=c.filled(fill, c.projector_shapes(5 * hidden, s["hidden"], s["text"])),
        fusion=c.filled(fill, c.fusion_shapes(hidden, s["text"], 16 * s["width"])),
    )


def small(fill, program, cases, out):
    states, layer = states_of(fill, "small"), ("--audio-layer", "3")
    c.save_config("small", out / "base")
    base = {part: c.save_tensors(states[part], out / "base" / f"{part}.safetensors") for part in PARTS}
    build(program, base, out / "bundle", *layer)
    parity(cases, fill, out / "bundle", "small", 3, out / "cases")
    for part, label, path in forms(states, out):
        build(program, base | {part: path}, out / "other", *layer)
        verdict(f"{part}: {label}", same(out / "other", out / "bundle", part))
    for part in PARTS:
        for dtype in (torch.float16, torch.bfloat16):
            half = c.as_type(states[part], dtype)
            folder = out / "half" / part
            if part == "wavlm":
                c.save_config("small", folder)
            build(program, base | {part: c.save_tensors(c.as_type(half, torch.float32), folder / "rounded.safetensors")}, out / "rounded", *layer)
            for label, path in (("zip archive", c.save(half, folder / "half.pt")), ("old form", c.save(half, folder / "legacy.pt", legacy=True)),
                                ("safetensors", c.save_tensors(half, folder / "half.safetensors"))):
                build(program, base | {part: path}, out / "other", *layer)
                verdict(f"{part}: {str(dtype).removeprefix('torch.')}, {label}", same(out / "other", out / "rounded", part))
    c.save_config("small", out / "product")
    product = c.save(c.wavlm_spelled(states["wavlm"], "product"), out / "product/product.bin")
    build(program, base | {"wavlm": product}, out / "other", *layer)
    error = distance(out / "other", out / "bundle", "wavlm")
    verdict("wavlm: conv.weight, the norm multiplied out", error <= 1e-6, f"{error:.1e} of the largest value")
    variants(states["fusion"], program, base, out, layer)


def variants(state, program, base, out, layer):
    """The authors' file as each of their classes saves it."""
    is_mia = lambda name: "_imagination_mlp." in name
    copy = state | OrderedDict({"normali.weight": torch.ones(7), "normali.bias": torch.zeros(7), "normali.running_mean": torch.zeros(7),
                                "normali.running_var": torch.ones(7), "normali.num_batches_tracked": torch.tensor(0)})
    for label, saved, trained, expected in (
        ("main class, blocks trained", state, lambda _: True, "mia = on, mia_residual = text"),
        ("main class, blocks never called", state, lambda name: not is_mia(name), "mia = off"),
        ("second class, blocks trained", copy, lambda name: "normali" not in name, "mia = on, mia_residual = transition"),
    ):
        parameters = OrderedDict((n, v) for n, v in saved.items() if "running_" not in n and "num_batches" not in n)
        content = {"epoch": 5, "state_dict": c.prefixed(saved, "model."), "optimizer": c.adam_state(parameters, trained)}
        report = build(program, base | {"fusion": c.save(content, out / "variant.pt")}, out / "other", *layer)
        network = report["parts"][3]["network"]
        verdict(f"fusion: {label}", network.endswith(expected), network)


def large(fill, program, cases, out):
    states = states_of(fill, "large")
    c.save_config("large", out / "large/wavlm")
    files = dict(
        wavlm=c.save(c.wavlm_spelled(states["wavlm"], "old"), out / "large/wavlm/pytorch_model.bin", legacy=True),
        manet=c.save(training(c.prefixed(states["manet"], "module.")), out / "large/manet.pth", legacy=True),
        projector=c.save(c.prefixed(states["projector"], "encoder_projector."), out / "large/projector.pt"),
        fusion=c.save(training(c.prefixed(states["fusion"], "model.")), out / "large/fusion.pt"),
    )
    del states
    report = build(program, files, out / "bundle-large")
    for part in report["parts"]:
        print(f"  {part['part']}: {part['network']}; {part['taken']} of {part['tensors']} tensors, {part['parameters']} parameters")
    expected = [(487, 315_452_096), (588, 50_547_214), (4, 18_880_512), (99, 4_268_235)]
    verdict("tensors and parameters taken", [(p["taken"], p["parameters"]) for p in report["parts"]] == expected)
    parity(cases, fill, out / "bundle-large", "large", 20, out / "cases-large")


def main():
    fill_path, program, cases, out = sys.argv[1:5]
    fill, out = c.formula(fill_path), Path(out)
    torch.manual_seed(7)
    (large if "--large" in sys.argv[5:] else small)(fill, program, cases, out)
    print(f"{failures} failed  (torch {torch.__version__})")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
