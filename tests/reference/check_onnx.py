"""Holds ONNX files against onnx's own checker and onnxruntime.

usage: check_onnx.py CASES

CASES holds one NAME.safetensors per graph NAME.onnx: tensors `input.<name>` and, as the device program's engine computed
them with the graph of a bundle, which may have operators of its own, `output.<name>`. Every output of onnxruntime must agree within 1e-4 of that output's largest value.
Prints one line per output and ends with exit code 1 if any disagrees.
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

TOLERANCE = 1e-4

(cases,) = map(pathlib.Path, sys.argv[1:])
failed = checked = 0
for case in sorted(cases.glob("*.safetensors")):
    path = cases / f"{case.stem}.onnx"
    # By path, because weights lie in a second file; the full check infers every shape as well.
    onnx.checker.check_model(str(path), full_check=True)
    print(f"{path.name}: onnx.checker (onnx {onnx.__version__}) accepts it")
    tensors = load_file(case)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = {i.name: tensors[f"input.{i.name}"] for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    for name, theirs in zip(names, session.run(names, inputs)):
        ours = tensors[f"output.{name}"]
        assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
        largest = float(np.abs(theirs).max())
        error = float(np.abs(ours - theirs).max()) / max(largest, 1e-30)
        verdict = "equal" if error <= TOLERANCE else "DIFFERS"
        failed += error > TOLERANCE
        checked += 1
        print(f"  {name:22} {str(list(ours.shape)):18} relative difference {error:.1e}  {verdict}")
print(f"{checked - failed} passed, {failed} failed  (onnxruntime {onnxruntime.__version__})")
sys.exit(failed > 0 or checked == 0)
