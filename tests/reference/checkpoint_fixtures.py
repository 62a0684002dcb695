"""Writes the small checkpoints of models/tests/fixtures/checkpoints with PyTorch; all weights are formula weights, seed 7.

usage: python checkpoint_fixtures.py PATH/TO/fill.py models/tests/fixtures/checkpoints
                                                               (needs numpy, torch, safetensors, transformers)
"""
import sys
from collections import OrderedDict
from pathlib import Path

import torch

import checkpoints as c


def main() -> None:
    fill, out = c.formula(sys.argv[1]), Path(sys.argv[2])
    state = OrderedDict(c.wavlm_model(fill, "mini").state_dict())
    for folder in ("legacy", "zip", "safetensors"):
        c.save_config("mini", out / "wavlm" / folder)
    # The form and the spelling of 2021; a file that was saved with a task's head; what is written today, in half precision.
    c.save(c.wavlm_spelled(state, "old"), out / "wavlm/legacy/pytorch_model.bin", legacy=True)
    head = OrderedDict({"classifier.weight": torch.ones(3, 4), "classifier.bias": torch.zeros(3)})
    c.save(c.prefixed(state, "wavlm.") | head, out / "wavlm/zip/pytorch_model.bin")
    c.save_tensors(c.as_type(state, torch.bfloat16), out / "wavlm/safetensors/model.safetensors")

    # A face network's wrapper and foreign object, an optimiser with moments, in the old form.
    part = c.filled(fill, {"conv1.weight": (4, 3, 7, 7), "bn1.weight": (4,), "bn1.bias": (4,), "bn1.running_mean": (4,),
                           "bn1.running_var": (4,), "bn1.num_batches_tracked": ()})
    adam = c.adam_state(OrderedDict((n, v) for n, v in part.items() if "running" not in n and "num" not in n),
                        lambda name: name != "bn1.bias")
    face = {"epoch": 8, "state_dict": c.prefixed(part, "module."), "best_acc": torch.tensor(88.33), "optimizer": adam,
            "recorder": c.RecorderMeter()}
    c.save(face, out / "recorder_legacy.pth", legacy=True)
    # Views of one storage, and a storage of every kind that no weight can have, in the old form.
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    kinds = {"whole": base, "transposed": base.permute(2, 0, 1), "column": base[:, :, 1], "half": base.half(),
             "complex": torch.tensor([1 + 2j]), "long": torch.tensor([5, 6]), "unsigned": torch.tensor([7], dtype=torch.uint16),
             "bool": torch.tensor([True, False])}
    c.save(kinds, out / "kinds_legacy.pt", legacy=True)
    c.save(part, out / "protocol4_legacy.pt", legacy=True)
    torch.save(part, out / "protocol4_legacy.pt", _use_new_zipfile_serialization=False, pickle_protocol=4)

    # One wrapper in another, and one that nobody knows.
    c.save({"checkpoint": {"epoch": 3, "model": {"state_dict": part}}}, out / "deep.pt")
    c.save({"generator": part, "discriminator": part, "step": 5}, out / "unknown_nesting.pt")


if __name__ == "__main__":
    main()
