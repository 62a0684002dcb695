"""Writes models/tests/fixtures/fill.txt: sampled values of the reference formula weights, as f32 bit patterns.

usage: python fill_fixture.py PATH/TO/fill.py models/tests/fixtures/fill.txt     (needs numpy)

Each line: seed, name, shape ("scalar" for no axes), row-major flat index, the value's 32 bits in hex.
"""
import importlib.util
import sys

import numpy as np

CASES = [
    # one per rule, in the order of the rules
    (7, "bn1.num_batches_tracked", ()),
    (7, "bn1.running_var", (64,)),
    (7, "bn1.running_mean", (64,)),
    (7, "encoder.pos_conv_embed.conv.weight_g", (1, 1, 128)),
    (7, "encoder.pos_conv_embed.conv.parametrizations.weight.original0", (1, 1, 128)),
    (7, "encoder.layer_norm.weight", (1024,)),
    (7, "encoder.layer_norm.bias", (1024,)),
    (7, "prelu", (6,)),
    (7, "input.audio", (2, 50, 1024)),
    (7, "frame_dim_reshape_1.weight", (256, 4096)),
    # fan-in over several axes, fan-ins whose root is inexact, no axes, a first match that is not the only one
    (7, "layer4_2.0.conv1.weight", (512, 256, 3, 3)),
    (7, "feature_extractor.conv_layers.0.conv.weight", (512, 1, 10)),
    (7, "fc_att.weight", (3, 7)),
    (7, "fra2utt_0.attention_context_vector", (1, 256)),
    (7, "scale", ()),
    (7, "input.mask", (9,)),
    (7, "bn1.weight.running_var", (3, 5)),
    # seeds that wrap around, names outside ASCII, the empty name
    (0, "fc_out_v.weight", (1, 128)),
    (18446744073709551615, "fc_out_v.weight", (1, 128)),
    (123456789012345, "gewicht.größe.weight", (4, 31)),
    (1, "", (5, 2)),
    # fan-ins for which a root taken in f32 differs from the root taken in f64 and rounded
    (7, "conv.weight", (16, 25, 3)),
    (7, "linear.weight", (16, 98)),
    (7, "linear.weight", (16, 41)),
    # indices beyond 2^20
    (7, "encoder.layers.0.feed_forward.intermediate_dense.weight", (4096, 1024)),
]


def main() -> None:
    spec = importlib.util.spec_from_file_location("fill", sys.argv[1])
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write("# seed\tname\tshape\tindex\tbits, written by tests/reference/fill_fixture.py\n")
        for seed, name, shape in CASES:
            values = np.asarray(fill.fill(seed, name, shape), dtype=np.float32).reshape(-1)
            n = len(values)
            for i in sorted({0, 1, n // 3, n // 2, n - 1} & set(range(n))):
                axes = ",".join(map(str, shape)) or "scalar"
                out.write(f"{seed}\t{name}\t{axes}\t{i}\t{values[i : i + 1].view(np.uint32)[0]:08x}\n")


if __name__ == "__main__":
    main()
