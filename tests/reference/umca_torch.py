"""UMCA with MIA and its objective in PyTorch, from the specification: the second implementation that the trainer is held
against. Parameter names are the authors'; `golden_training.py` first shows that this module gives the numbers of the
authors' own one."""
import torch
from torch import nn

WIDTH, CROSS, CONTRAST, VIEWS = 256, 128, 64, 7


def mlp(inputs, *outputs, share):
    layers = []
    for width in outputs:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(share)]
        inputs = width
    return nn.Sequential(*layers)


class Imagination(nn.Module):
    def __init__(self, width, latent):
        super().__init__()
        self.transition = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, width))
        self.encoder_0 = nn.Sequential(nn.Linear(width, latent))
        self.decoder_0 = nn.Sequential(nn.Linear(latent, width))

    def forward(self, audio, text, video):
        return self.decoder_0(self.encoder_0(self.transition(torch.cat([audio, text, video], -1)))) + text


def attend(query, keys, values, excluded):
    """query [B or 1, n, D], keys and values [B, T, D], excluded [B, T]: [B, n, D]."""
    logits = 0.3 * query @ keys.transpose(1, 2)
    if excluded is not None:
        logits = logits.masked_fill(excluded[:, None, :], float("-inf"))
    return logits.softmax(-1) @ values


class Pooling(nn.Module):
    def __init__(self, share):
        super().__init__()
        self.attention_context_vector = nn.Parameter(torch.empty(1, WIDTH))
        nn.init.xavier_normal_(self.attention_context_vector)
        self.input_proj = nn.Linear(WIDTH, WIDTH)
        self.drop = nn.Dropout(share)

    def forward(self, x, excluded):
        values = self.drop(x)
        keys = torch.tanh(self.input_proj(values))
        return self.drop(attend(self.attention_context_vector[None], keys, values, excluded)[:, 0])


class Crossing(nn.Module):
    def __init__(self, share):
        super().__init__()
        self.query_proj = nn.Linear(WIDTH, WIDTH)
        self.input_proj = nn.Linear(WIDTH, WIDTH)
        self.drop = nn.Dropout(share)

    def forward(self, queries, x, excluded):
        values = self.drop(x)
        keys = torch.tanh(self.input_proj(values))
        return self.drop(attend(self.query_proj(queries), keys, values, excluded))


class Umca(nn.Module):
    def __init__(self, audio, text, video, mia=True, attention=0.5, share=0.3):
        super().__init__()
        self.mia = mia
        for m, width in enumerate((audio, text, video)):
            setattr(self, f"frame_dim_reshape_{m}", nn.Linear(width, WIDTH))
        self.missing_text_imagination_mlp = Imagination(WIDTH, 128)
        self.missing_cross_text_query_imagination_mlp = Imagination(CROSS, 64)
        for m in range(3):
            setattr(self, f"fra2utt_{m}", Pooling(attention))
        for name in ("audio", "text", "video"):
            setattr(self, f"{name}_mlp", mlp(WIDTH, WIDTH, WIDTH, share=share))
        self.attention_mlp = mlp(3 * WIDTH, WIDTH, WIDTH, share=share)
        self.fc_att = nn.Linear(WIDTH, 3)
        for view in ("fused", "at", "tv", "av", "audio", "text", "video"):
            setattr(self, f"cross_{view}_query_mlp", mlp(WIDTH, WIDTH, share=share))
        for m in range(3):
            setattr(self, f"cross_att_fra2utt_{m}", Crossing(attention))
        for name in ("audio", "text", "video"):
            setattr(self, f"cross_{name}_mlp", mlp(WIDTH, WIDTH, CROSS, share=share))
        self.cross_attention_mlp = mlp(VIEWS * CROSS, WIDTH, CROSS, share=share)
        self.cross_fc_att = nn.Linear(CROSS, VIEWS)
        self.fc_out_e = nn.Linear(CROSS, 1)
        self.fc_out_v = nn.Linear(CROSS, 1)
        self.fc_out_ev = nn.Linear(1, 1)
        self.orgin_linear_change = nn.Sequential(nn.Linear(CROSS, CONTRAST), nn.ReLU(), nn.Linear(CONTRAST, CONTRAST))
        self.prelu = nn.PReLU(6)
        self.layer_normali = nn.LayerNorm(WIDTH)

    def project(self, m, x):
        return getattr(self, f"frame_dim_reshape_{m}")(x)

    def flow(self, x, excluded, missing):
        """x: three projected streams [B, T, 256]; excluded: three [B, T] or None."""
        pooled = [getattr(self, f"fra2utt_{m}")(x[m], excluded[m]) for m in range(3)]
        h = [f(p) for f, p in zip((self.audio_mlp, self.text_mlp, self.video_mlp), pooled)]
        if missing and self.mia:
            h[1] = self.missing_text_imagination_mlp(*h)
        w = self.fc_att(self.attention_mlp(torch.cat(h, 1)))
        a, t, v = (w[:, m : m + 1] * h[m] for m in range(3))
        inputs = (a + t + v, a + t, t + v, a + v, *h)
        names = ("fused", "at", "tv", "av", "audio", "text", "video")
        queries = [getattr(self, f"cross_{n}_query_mlp")(i) for n, i in zip(names, inputs)]
        stacked = torch.stack(queries, 1)
        c = [getattr(self, f"cross_att_fra2utt_{m}")(stacked, x[m], excluded[m]) for m in range(3)]
        c = [f(o) for f, o in zip((self.cross_audio_mlp, self.cross_text_mlp, self.cross_video_mlp), c)]
        if missing and self.mia:
            c[1] = self.missing_cross_text_query_imagination_mlp(*c)
        z = sum(w[:, m, None, None] * c[m] for m in range(3))
        u = self.cross_fc_att(self.cross_attention_mlp(z.flatten(1)))
        r = (u[:, :, None] * z).sum(1)
        return dict(valence=self.fc_out_v(r), fused=r, contrast=self.orgin_linear_change(r), text_hidden=queries[5],
                    text_representation=h[1], text_cross=c[1])


def rmse(a, b):
    return (((a - b) ** 2).mean() + 1e-12).sqrt()


def rnc(features, labels, temperature=2.0, tolerance=1e-4):
    """Rank-N-contrast without a loop: mask[i, j, k] says whether k is in the set of (i, j)."""
    n = len(labels)
    others = ~torch.eye(n, dtype=torch.bool, device=labels.device)
    apart = (labels[:, None] - labels[None, :]).abs()
    squares = ((features[:, None] - features[None, :]) ** 2).sum(-1)
    zero = squares == 0
    logits = -torch.where(zero, torch.ones_like(squares), squares).sqrt() * ~zero / temperature
    mask = (apart[:, None, :] >= apart[:, :, None] - tolerance) & others[:, None, :]
    largest = logits.masked_fill(~others, float("-inf")).amax(1, keepdim=True).detach()
    exponentials = (logits - largest).exp() * others
    denominators = (mask.to(features.dtype) @ exponentials[:, :, None])[:, :, 0]
    terms = (logits - largest - denominators.clamp_min(1e-300 if features.dtype == torch.float64 else 1e-37).log())
    return -(terms * others).sum() / (n * (n - 1))


def losses(complete, missing, labels):
    task = lambda flow: ((flow["valence"][:, 0] - labels) ** 2).mean()
    parts = dict(
        task_complete=task(complete),
        task_missing=task(missing),
        mkd1=rmse(missing["text_hidden"], complete["text_hidden"].detach()),
        mkd2=rmse(missing["text_cross"], complete["text_cross"].detach()),
        rs=rmse(missing["fused"], complete["fused"]),
        rnc=rnc(torch.cat([complete["contrast"], missing["contrast"]]), torch.cat([labels, labels])),
    )
    weights = dict(task_complete=0.5, task_missing=0.5, mkd1=0.1, mkd2=0.7, rs=0.13, rnc=0.5)
    parts["total"] = sum(weights[k] * parts[k] for k in weights)
    return parts


def excluded(lengths, longest):
    return torch.arange(longest)[None, :] >= torch.tensor(lengths)[:, None]


def both_flows(model, batch, masked=True):
    """batch: name -> (rows [B, T, width], lengths); the two flows of one batch."""
    x = {name: model.project({"audio": 0, "video": 2}.get(name, 1), rows) for name, (rows, _) in batch.items()}
    mask = {name: excluded(lengths, rows.shape[1]) if masked else None for name, (rows, lengths) in batch.items()}
    flow = lambda text, missing: model.flow(
        [x["audio"], x[text], x["video"]], [mask["audio"], mask[text], mask["video"]], missing)
    return flow("text", False), flow("simulated_text", True)
