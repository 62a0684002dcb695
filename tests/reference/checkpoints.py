"""Networks with formula weights as state dicts under their published names, and every form in which such files come.

Used by `checkpoint_fixtures.py` (the small committed files) and `check_checkpoints.py` (the development check).
"""
import importlib.util
import json
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

SEED = 7
NORM, DIRECTION = "parametrizations.weight.original0", "parametrizations.weight.original1"

WAVLM = dict(
    mini=dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, conv_dim=[8] * 7,
              num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, num_buckets=8, max_bucket_distance=20),
    small=dict(hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=128, conv_dim=[32] * 7,
               num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, num_buckets=32, max_bucket_distance=80),
    large=dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096),
)


class RecorderMeter:
    """Stands for a class of a training script: readers cannot import it."""

    def __init__(self):
        self.losses = [0.5, 0.25]
        self.best = {"epoch": 3, "accuracy": 88.33}


def formula(path):
    """The reference implementation of the formula weights."""
    spec = importlib.util.spec_from_file_location("fill", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fill


def filled(fill, shapes):
    """A state dict with formula weights; counters are integers, as batch norms have them."""
    state = OrderedDict()
    for name, shape in shapes.items():
        value = torch.from_numpy(fill(SEED, name, shape).copy()).reshape(tuple(shape))
        state[name] = value.to(torch.int64) if name.endswith("num_batches_tracked") else value
    return state


def wavlm_config(size):
    from transformers import WavLMConfig

    return WavLMConfig(feat_extract_norm="layer", do_stable_layer_norm=True, conv_bias=False, layerdrop=0.0,
                       apply_spec_augment=False, **WAVLM[size])


def wavlm_model(fill, size):
    from transformers import WavLMModel

    model = WavLMModel(wavlm_config(size)).eval()
    model.load_state_dict(filled(fill, {name: value.shape for name, value in model.state_dict().items()}))
    return model


def wavlm_spelled(state, spelling):
    """The positional convolution as torch before 2.0 wrote it, or multiplied out."""
    conv = "encoder.pos_conv_embed.conv."
    result = OrderedDict()
    for name, value in state.items():
        if spelling == "old" and name.endswith(NORM):
            result[conv + "weight_g"] = value
        elif spelling == "old" and name.endswith(DIRECTION):
            result[conv + "weight_v"] = value
        elif spelling == "product" and name.endswith(NORM):
            continue
        elif spelling == "product" and name.endswith(DIRECTION):
            norm = state[conv + NORM].double()
            value = value.double()
            result[conv + "weight"] = (norm * value / value.norm(dim=(0, 1), keepdim=True)).float()
        else:
            result[name] = value
    return result


def manet_shapes(width, classes):
    """MA-Net's tensors in the authors' order of registration within a block, from the published table."""
    shapes = OrderedDict()

    def norm(key, channels):
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{key}.{part}"] = (channels,)
        shapes[f"{key}.num_batches_tracked"] = ()

    def linear(key, outputs, inputs):
        shapes[f"{key}.weight"], shapes[f"{key}.bias"] = (outputs, inputs), (outputs,)

    def block(key, kind, inputs, outputs, stride):
        shapes[f"{key}.conv1.weight"] = (outputs, inputs, 3, 3)
        norm(f"{key}.bn1", outputs)
        if kind == "scales":
            for chain in (1, 2):
                for scale in (1, 2, 3, 4):
                    shapes[f"{key}.conv{chain}_2_{scale}.weight"] = (outputs // 4, outputs // 4, 3, 3)
                    norm(f"{key}.bn{chain}_2_{scale}", outputs // 4)
        else:
            shapes[f"{key}.conv2.weight"] = (outputs, outputs, 3, 3)
            norm(f"{key}.bn2", outputs)
        if stride != 1 or inputs != outputs:
            shapes[f"{key}.downsample.0.weight"] = (outputs, inputs, 1, 1)
            norm(f"{key}.downsample.1", outputs)
        if kind == "attention":
            linear(f"{key}.cbam.ChannelGate.mlp.1", outputs // 16, outputs)
            linear(f"{key}.cbam.ChannelGate.mlp.3", outputs, outputs // 16)
            shapes[f"{key}.cbam.SpatialGate.spatial.conv.weight"] = (1, 2, 7, 7)
            norm(f"{key}.cbam.SpatialGate.spatial.bn", 1)

    def stage(key, kind, inputs, outputs, stride):
        block(f"{key}.0", kind, inputs, outputs, stride)
        block(f"{key}.1", kind, outputs, outputs, 1)

    w = width
    shapes["conv1.weight"] = (w, 3, 7, 7)
    norm("bn1", w)
    stage("layer1", "plain", w, w, 1)
    stage("layer2", "plain", w, 2 * w, 2)
    for quadrant in (1, 2, 3, 4):
        stage(f"layer3_1_p{quadrant}", "attention", 2 * w, 4 * w, 2)
        stage(f"layer4_1_p{quadrant}", "attention", 4 * w, 8 * w, 1)
    stage("layer3_2", "scales", 2 * w, 4 * w, 2)
    stage("layer4_2", "scales", 4 * w, 8 * w, 2)
    linear("fc_1", classes, 8 * w)
    linear("fc_2", classes, 8 * w)
    return shapes


def projector_shapes(inputs, hidden, outputs):
    return OrderedDict({"linear1.weight": (hidden, inputs), "linear1.bias": (hidden,),
                        "linear2.weight": (outputs, hidden), "linear2.bias": (outputs,)})


def fusion_shapes(audio, text, video):
    from umca_torch import Umca

    return OrderedDict((name, tuple(value.shape)) for name, value in Umca(audio, text, video).state_dict().items())


def adam_state(state, trained):
    """What Adam's state_dict holds for the parameters that `trained` says yes to, as torch numbers them."""
    steps = {}
    for number, (name, value) in enumerate(state.items()):
        if trained(name):
            steps[number] = {"step": torch.tensor(3.0), "exp_avg": torch.zeros_like(value),
                             "exp_avg_sq": torch.ones_like(value)}
    return {"state": steps, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": list(range(len(state)))}]}


def prefixed(state, prefix):
    return OrderedDict((prefix + name, value) for name, value in state.items())


def as_type(state, dtype):
    return OrderedDict((name, value.to(dtype) if value.is_floating_point() else value) for name, value in state.items())


def save(content, path, legacy=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def save_tensors(state, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path


def save_config(size, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (Path(folder) / "config.json").write_text(json.dumps(wavlm_config(size).to_diff_dict(), indent=1, sort_keys=True) + "\n")
