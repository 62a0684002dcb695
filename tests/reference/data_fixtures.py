"""Writes trainer/tests/fixtures: small corpora in the layouts that mien-train imports, as numpy itself writes them.

usage: python data_fixtures.py trainer/tests/fixtures     (needs numpy 2)

authors/            the authors' layout: label archive, feature folders, transcripts
labels/*.npz        label archives in other spellings (numpy 1, deflated, protocol 5) and with faults
mmsa/*.pkl          MMSA pickles, aligned and unaligned, and with faults
npy/*.npy           arrays of several types, orders and shapes
expected.safetensors   what numpy reads back: f32, squeezed to [rows, width]; labels as f64 in the order of the dict
"""
import json
import pathlib
import pickle
import shutil
import sys
import zipfile

import numpy as np

ROOT = pathlib.Path(sys.argv[1])
RNG = np.random.default_rng(20240917)
EXPECTED: dict[str, np.ndarray] = {}

AUDIO = "wavlm-large-FRA_-5"
TEXT = "vicuna-7b-v1.5-FRA-wavlm2vicuna-half-gt"
SIMULATED = "vicuna-7b-v1.5-FRA-wavlm2vicuna-half-wav+prompt[take_generate_wordembed_-4]"
VIDEO = "manet_FRA"
WIDTHS = {AUDIO: 5, TEXT: 6, SIMULATED: 6, VIDEO: 4}

# Ids with the characters of real ones; d-Uw_uZyUys_1 and 125344_0 are on the list of long clips.
SPLITS = {
    "train": ["-3g5yACwYnA_13", "d-Uw_uZyUys_1", "a_b-c_0", "a_b-c_1", "zk2jTlAtvSU_4"],
    "val": ["vid-2_0", "_x_7"],
    "test": ["125344_0", "-s9qJ7ATP7w_2", "end_0"],
}


def rows(array: np.ndarray, width: int) -> np.ndarray:
    """The reference's own rule: squeeze; one axis is one row."""
    array = np.squeeze(array).astype(np.float32)
    return array.reshape(-1, width)


def features() -> None:
    shapes = ["plain", "one", "extra axis", "fortran", "frames"]
    for number, (folder, width) in enumerate(WIDTHS.items()):
        path = ROOT / "authors" / "features_mosei" / folder
        path.mkdir(parents=True)
        dtype = np.float16 if "vicuna" in folder else np.float32
        k = number
        for ids in SPLITS.values():
            for name in ids:
                kind = shapes[k % len(shapes)]
                k += 1
                length = 1 if kind == "one" else int(RNG.integers(2, 9))
                array = RNG.standard_normal((length, width)).astype(dtype)
                if kind == "one":
                    np.save(path / f"{name}.npy", array[0])
                elif kind == "extra axis":
                    np.save(path / f"{name}.npy", array[None])
                elif kind == "fortran":
                    array = array.astype(np.float64)
                    np.save(path / f"{name}.npy", np.asfortranarray(array))
                elif kind == "frames":
                    (path / name).mkdir()
                    for frame, row in enumerate(array):
                        np.save(path / name / f"frame_{frame:06}.npy", row)
                else:
                    np.save(path / f"{name}.npy", array)
                EXPECTED[f"authors/{folder}/{name}"] = rows(array, width)


def label(k: int) -> dict:
    """The forms that `val` and `emo` take."""
    value = [-3, 3.0, 1 / 3, -2 / 3, 0.0][k % 5]
    val = [float(value), np.float32(value), np.float64(value), value, np.float16(value)][k % 5]
    emo = [0, [0.0, 1.5, 0, 0, 0, 3], np.zeros(6, np.float32), np.int64(2), "none"][k % 5]
    return {"emo": emo, "val": val} if k % 2 else {"val": val, "emo": emo}


def corpora() -> dict[str, np.ndarray]:
    out = {}
    k = 0
    for split, ids in SPLITS.items():
        corpus = {}
        for name in ids:
            corpus[name] = label(k)
            k += 1
        out[f"{split}_corpus"] = np.array(corpus, dtype=object)
        EXPECTED[f"labels/{split}"] = np.array([float(v["val"]) for v in corpus.values()])
    return out


def archive(path: pathlib.Path, arrays: dict[str, np.ndarray], protocol: int, spelling: bytes, deflate: bool) -> None:
    """An .npz whose pickles have another protocol or another spelling of numpy's modules than numpy writes today."""
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as out:
        for name, array in arrays.items():
            header = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
            program = pickle.dumps(array, protocol=protocol)
            if spelling == b"numpy.core":
                # Protocol 3 writes names as lines without a length: the replacement leaves a valid program.
                assert protocol == 3
                program = program.replace(b"numpy._core", spelling)
            assert b"builtins" in program or pickle.loads(program).item().keys()
            info = zipfile.ZipInfo(f"{name}.npy", (2024, 9, 17, 0, 0, 0))
            info.compress_type = method
            out.writestr(info, header + program)


class Call:
    """Unpickling it would call something."""

    def __reduce__(self):
        return (print, ("executed",))


def labels() -> None:
    arrays = corpora()
    path = ROOT / "authors" / "datasets_label" / "cmumosei-process"
    path.mkdir(parents=True)
    np.savez(path / "label_official.npz", **arrays)
    (ROOT / "labels").mkdir()
    archive(ROOT / "labels" / "numpy1.npz", arrays, 3, b"numpy.core", False)
    archive(ROOT / "labels" / "deflated.npz", arrays, 4, b"", True)
    archive(ROOT / "labels" / "protocol5.npz", arrays, 5, b"", False)
    hostile = dict(arrays)
    hostile["val_corpus"] = np.array({"a_0": {"val": 0.0, "emo": Call()}}, dtype=object)
    archive(ROOT / "labels" / "foreign.npz", hostile, 4, b"", False)
    archive(ROOT / "labels" / "no_valid.npz", {k: v for k, v in arrays.items() if k != "val_corpus"}, 4, b"", False)
    no_val = dict(arrays)
    no_val["test_corpus"] = np.array({"a_0": {"emo": 1}}, dtype=object)
    archive(ROOT / "labels" / "no_val.npz", no_val, 4, b"", False)


def transcripts() -> None:
    lines = ["name,english"]
    for ids in SPLITS.values():
        for name in ids[:-1]:
            lines.append(f'{name},"so, what {name} said"' if len(lines) % 2 else f"{name},what {name} said")
    (ROOT / "authors" / "mosei_text_mid_new.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def mmsa_split(split: str, count: int, aligned: bool, spell) -> dict:
    length = {"text": 5, "audio": 5 if aligned else 9, "vision": 5 if aligned else 7}
    width = {"text": 6, "audio": 4, "vision": 3}
    data: dict = {
        "raw_text": spell([f"{split} says {n}" for n in range(count)]),
        "id": spell([f"{split}-vid_{n // 2}$_${n}" for n in range(count)]),
    }
    valid = {m: RNG.integers(1, length[m] + 1, count) for m in length}
    if aligned:
        valid["audio"] = valid["vision"] = valid["text"]
    for m in length:
        array = RNG.standard_normal((count, length[m], width[m])).astype(np.float32)
        for n in range(count):
            array[n, valid[m][n] :] = 0
        if m == "audio" and not aligned:
            array[0, 0, 1] = -np.inf
        data[m] = array
        modality = {"text": "text", "audio": "audio", "vision": "video"}[m]
        for n in range(count):
            kept = array[n, : valid[m][n]]
            EXPECTED[f"{'aligned' if aligned else 'unaligned'}/{split}/{modality}/{n}"] = np.where(np.isinf(kept), 0, kept)
    mask = (np.arange(length["text"])[None] < valid["text"][:, None]).astype(np.float32)
    data["text_bert"] = np.stack([mask * 101, mask, mask * 0], axis=1)
    if not aligned:
        data["audio_lengths"] = [int(n) for n in valid["audio"]]
        data["vision_lengths"] = valid["vision"].astype(np.int64)
    data["annotations"] = spell(["Positive"] * count)
    data["classification_labels"] = np.zeros(count)
    data["regression_labels"] = (RNG.integers(-9, 10, count) / 3).astype(np.float32)
    EXPECTED[f"{'aligned' if aligned else 'unaligned'}/{split}/labels"] = data["regression_labels"].astype(np.float64)
    return data


def mmsa() -> None:
    (ROOT / "mmsa").mkdir()
    counts = {"train": 5, "valid": 2, "test": 3}
    aligned = {s: mmsa_split(s, n, True, np.array) for s, n in counts.items()}
    unaligned = {s: mmsa_split(s, n, False, list) for s, n in counts.items()}
    objects = {**aligned["train"], "id": np.array(list(aligned["train"]["id"]), dtype=object)}
    for name, data, protocol in [
        ("aligned", aligned, 4),
        ("unaligned", unaligned, 3),
        ("protocol5", aligned, 5),
        ("objects", {**aligned, "train": objects}, 4),
        ("no_valid", {s: d for s, d in aligned.items() if s != "valid"}, 4),
        ("foreign", {**aligned, "test": {**aligned["test"], "raw_text": Call()}}, 4),
        ("short", {**aligned, "test": {**aligned["test"], "regression_labels": np.zeros(2, np.float32)}}, 4),
    ]:
        with open(ROOT / "mmsa" / f"{name}.pkl", "wb") as out:
            pickle.dump(data, out, protocol=protocol)


def arrays() -> None:
    path = ROOT / "npy"
    path.mkdir()
    base = (RNG.standard_normal((3, 4)) * 2).astype(np.float32)
    for name, array in {
        "f2": base.astype("<f2"),
        "f4": base,
        "f8": base.astype("<f8"),
        "big_endian": base.astype(">f4"),
        "fortran": np.asfortranarray(base.astype(np.float64)),
        "vector": base[0],
        "one_row": base[:1],
        "extra": base[None],
        "between": base[:, None, :],
        "scalar": base[0, 0],
    }.items():
        np.save(path / f"{name}.npy", array)
        EXPECTED[f"npy/{name}"] = rows(array, 1 if name == "scalar" else 4)
    for name, array in {
        "empty": base[:0],
        "three_axes": np.stack([base, base]),
        "integers": np.arange(4),
        "objects": np.array([None, 1], dtype=object),
        "complex": base.astype(np.complex64),
        "records": np.zeros(2, dtype=[("a", "<f4")]),
    }.items():
        np.save(path / f"{name}.npy", array)


def expected() -> None:
    """A safetensors file by hand: the format is a length, a JSON header and the data."""
    header, offset, data = {}, 0, b""
    for name, array in EXPECTED.items():
        raw = np.ascontiguousarray(array).tobytes()
        dtype = {"float32": "F32", "float64": "F64"}[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (ROOT / "expected.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)


if __name__ == "__main__":
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    features()
    labels()
    transcripts()
    mmsa()
    arrays()
    expected()
