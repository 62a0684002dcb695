"""MA-Net in PyTorch, from the specification: faces [N, 3, 224, 224] to embeddings [N, 16 width], local branch first. Parameter
names are the authors', so that their files and the formula fill it."""
import torch
from torch import nn


def conv(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Flat(nn.Module):
    def forward(self, x):
        return x.flatten(1)


class ChannelGate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.mlp = nn.Sequential(Flat(), nn.Linear(channels, channels // 16), nn.ReLU(), nn.Linear(channels // 16, channels))

    def forward(self, x):
        gate = self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))
        return x * gate.sigmoid()[:, :, None, None]


class SpatialGate(nn.Module):
    def __init__(self):
        super().__init__()
        self.spatial = nn.ModuleDict(dict(conv=conv(2, 1, 7), bn=nn.BatchNorm2d(1)))

    def forward(self, x):
        pooled = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * self.spatial["bn"](self.spatial["conv"](pooled)).sigmoid()


class Block(nn.Module):
    """A residual block: plain, with both gates, or over four groups of channels."""

    def __init__(self, kind, inputs, outputs, stride):
        super().__init__()
        self.kind = kind
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        if kind == "scales":
            for name in (f"{chain}_2_{k}" for chain in (1, 2) for k in (1, 2, 3, 4)):
                setattr(self, f"conv{name}", conv(outputs // 4, outputs // 4, 3))
                setattr(self, f"bn{name}", nn.BatchNorm2d(outputs // 4))
        else:
            self.conv2, self.bn2 = conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        if kind == "attention":
            self.cbam = nn.ModuleDict(dict(ChannelGate=ChannelGate(outputs), SpatialGate=SpatialGate()))
        fits = stride == 1 and inputs == outputs
        self.downsample = None if fits else nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def chain(self, chain, groups):
        outputs = []
        for k, group in enumerate(groups, 1):
            x = group if not outputs else outputs[-1].relu() + group
            outputs.append(getattr(self, f"bn{chain}_2_{k}")(getattr(self, f"conv{chain}_2_{k}")(x)))
        return torch.cat(outputs, 1)

    def forward(self, x):
        out = self.bn1(self.conv1(x)).relu()
        if self.kind == "scales":
            groups = out.chunk(4, 1)
            out = self.chain(1, groups) + self.chain(2, groups)
        else:
            out = self.bn2(self.conv2(out))
        if self.kind == "attention":
            out = self.cbam["SpatialGate"](self.cbam["ChannelGate"](out))
        return (out + (x if self.downsample is None else self.downsample(x))).relu()


def stage(kind, inputs, outputs, stride):
    return nn.Sequential(Block(kind, inputs, outputs, stride), Block(kind, outputs, outputs, 1))


class Manet(nn.Module):
    def __init__(self, width=64, classes=7):
        super().__init__()
        w = width
        self.conv1, self.bn1 = nn.Conv2d(3, w, 7, 2, 3, bias=False), nn.BatchNorm2d(w)
        self.layer1, self.layer2 = stage("plain", w, w, 1), stage("plain", w, 2 * w, 2)
        for q in (1, 2, 3, 4):
            setattr(self, f"layer3_1_p{q}", stage("attention", 2 * w, 4 * w, 2))
            setattr(self, f"layer4_1_p{q}", stage("attention", 4 * w, 8 * w, 1))
        self.layer3_2, self.layer4_2 = stage("scales", 2 * w, 4 * w, 2), stage("scales", 4 * w, 8 * w, 2)
        self.fc_1, self.fc_2 = nn.Linear(8 * w, classes), nn.Linear(8 * w, classes)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        x = self.layer2(self.layer1(x))
        quadrants = (x[:, :, :14, :14], x[:, :, :14, 14:], x[:, :, 14:, :14], x[:, :, 14:, 14:])
        local = [getattr(self, f"layer4_1_p{q}")(getattr(self, f"layer3_1_p{q}")(part)) for q, part in enumerate(quadrants, 1)]
        local = torch.stack([part.mean((2, 3)) for part in local]).mean(0)
        whole = self.layer4_2(self.layer3_2(x)).mean((2, 3))
        return torch.cat([local, whole], 1)
