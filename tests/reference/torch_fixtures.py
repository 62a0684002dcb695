"""Writes the small PyTorch files of models/tests/fixtures, and expected.safetensors with what they hold as float32.

usage: python torch_fixtures.py models/tests/fixtures      (needs torch and safetensors)

Names in expected.safetensors are "<file>:<name in the file>".
"""
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

EXPECTED: dict[str, torch.Tensor] = {}


class RecorderMeter:
    """Stands for a class of a training script: readers cannot import it."""

    def __init__(self):
        self.losses = [0.5, 0.25]
        self.best = {"epoch": 3, "accuracy": 88.33}


def write(folder: Path, name: str, content, state, **options) -> None:
    torch.save(content, folder / name, **options)
    for key, value in state.items():
        if value.dtype.is_floating_point:
            EXPECTED[f"{name}:{key}"] = value.detach().to(torch.float32).contiguous().clone()


def network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))


def main() -> None:
    folder = Path(sys.argv[1])
    torch.manual_seed(7)

    plain = network().state_dict()
    write(folder, "plain.pt", plain, plain)
    write(folder, "protocol4.pt", plain, plain, pickle_protocol=4)
    write(folder, "legacy.pt", plain, {}, _use_new_zipfile_serialization=False)

    # The layout of the authors' checkpoints: a wrapper's prefix, an optimiser that has made a step.
    model = torch.nn.Module()
    model.model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    state = model.state_dict()
    write(folder, "nested.pt", {"epoch": 1, "state_dict": state, "optimizer": optimizer.state_dict()}, state)

    # The layout of face networks: DataParallel's prefix, a scalar tensor beside the state, a foreign object.
    state = OrderedDict((f"module.{name}", value) for name, value in network().state_dict().items())
    content = {"epoch": 8, "state_dict": state, "best_acc": torch.tensor(88.33), "recorder": RecorderMeter()}
    write(folder, "recorder.pth", content, state)

    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    views = {
        "whole": base,
        "transposed": base.permute(2, 0, 1),
        "row": base[1, 2],
        "column": base[:, :, 1],
        "every_second": base.reshape(-1)[1::2],
        "scalar": base[1, 1, 1],
        "unit_axes": base[:, 1:2, :].transpose(0, 1),
        "empty": base[:, :0],
    }
    write(folder, "views.pt", views, views)

    halves = {
        "half": torch.tensor([[1.0, -2.5, 65504.0], [6.1e-5, 5.96e-8, -0.0]], dtype=torch.float16),
        "bfloat": torch.tensor([1.0, -3.140625, 3.0e38, 1e-40], dtype=torch.bfloat16),
        "double": torch.tensor([0.1, -1e-30, 3.0e38], dtype=torch.float64),
        "half_view": torch.arange(12, dtype=torch.float16).reshape(3, 4).t(),
        "long": torch.tensor([[1, -2], [3, 9007199254740993]]),
        "int": torch.tensor([-5, 6], dtype=torch.int32),
        "byte": torch.tensor([0, 255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "complex": torch.tensor([1 + 2j]),
        "unsigned": torch.tensor([7], dtype=torch.uint16),
    }
    write(folder, "types.pt", halves, halves)

    parameters = {"weight": torch.nn.Parameter(torch.randn(2, 2)), "buffer": torch.nn.Buffer(torch.randn(3))}
    parameters["weight"].note = "an attribute makes torch write another rebuild call"
    write(folder, "parameters.pt", {"model": parameters}, parameters)

    not_finite = {"weight": torch.tensor([[1.0, 2.0], [float("nan"), 4.0]]), "huge": torch.tensor([1e300], dtype=torch.float64)}
    write(folder, "not_finite.pt", not_finite, {})

    write(folder, "no_tensors.pt", {"epoch": 3, "notes": "none"}, {})
    write(folder, "module.pt", network(), {})

    torch.serialization.set_crc32_options(False)
    write(folder, "no_checksums.pt", plain, plain)

    save_file(EXPECTED, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
