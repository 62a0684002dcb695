"""The whole chain of one utterance at true size: mien with bytes and Q4_0 beside transformers and PyTorch. Time of each stage and
peak memory, with the language model and without; every run is a process of its own, and rivals run in turn.

usage: bench_chain.py PATH/TO/fill.py MIEN MIEN_TRAIN TRUE_LLM SPEECH FACE FOLDER [--rounds N] [--threads N] [--tokens N] [--no-llm]
                                                                              (needs numpy, opencv-python-headless, torch, safetensors, transformers)

Weights are the formula's, so nothing is said about accuracy. What is built is kept in FOLDER (10 GB) and taken again.
"""
import json
import re
import shutil
import subprocess
import sys
import time
import wave
from pathlib import Path

SECONDS, FACES, PROMPT_TOKENS = 5.0, 10, 48
ROUNDS, THREADS, TOKENS = 3, 2, 32
LAYER = 20


def option(name, default):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


def peak():
    """What this process held at most, in KiB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def load(folder):
    """All networks but the language model, in f32, from the files that the bundle is made of."""
    import torch
    from safetensors.torch import load_file
    from transformers import WavLMConfig, WavLMModel

    from manet_torch import Manet
    from umca_torch import Umca

    config = WavLMConfig.from_json_file(folder / "files/wavlm/config.json")
    networks = dict(wavlm=WavLMModel(config), manet=Manet(), fusion=Umca(1024, 4096, 1024))
    projector = torch.nn.Sequential(torch.nn.Linear(5 * 1024, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 4096))
    state = load_file(folder / "files/projector.safetensors")
    projector.load_state_dict({name.replace("linear1", "0").replace("linear2", "2"): value for name, value in state.items()})
    for name, path in (("wavlm", "wavlm/model"), ("manet", "manet"), ("fusion", "fusion")):
        networks[name].load_state_dict(load_file(folder / f"files/{path}.safetensors"), assign=True)
    return {name: network.eval() for name, network in (networks | dict(projector=projector)).items()}


def llama(tokens):
    """Vicuna-7B's shape in bf16, which is what a machine without a GPU can hold of it; the weights are any numbers."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32,
                         max_position_embeddings=4096, eos_token_id=None, pad_token_id=0)
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    model = model.to(torch.bfloat16).to_empty(device="cpu")
    some = torch.randn(1 << 20, dtype=torch.bfloat16) * 0.02
    for parameter in model.parameters():
        flat = parameter.data.view(-1)
        for start in range(0, flat.numel(), some.numel()):
            part = flat[start : start + some.numel()]
            part.copy_(some[: part.numel()])
    # What the constructor works out is no parameter and was not filled.
    rotary = type(model.model.rotary_emb)(config)
    model.model.rotary_emb = rotary
    model.generation_config.max_new_tokens = model.generation_config.min_new_tokens = tokens
    return model.eval()


def faces(folder, finder):
    """The largest face of each picture, found by OpenCV's cascade."""
    import cv2
    import torch

    crops = []
    for path in sorted((folder / "faces").iterdir()):
        picture = cv2.imread(str(path))
        found = finder.detectMultiScale(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), minSize=(60, 60))
        x, y, w, h = max(found, key=lambda box: box[2] * box[3])
        crop = cv2.cvtColor(cv2.resize(picture[y : y + h, x : x + w], (224, 224)), cv2.COLOR_BGR2RGB)
        crops.append(torch.from_numpy(crop).permute(2, 0, 1).float() / 255)
    return torch.stack(crops)


def child(folder, with_llm, threads, tokens, runs):
    import cv2
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    torch.manual_seed(1)
    finder = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    start = time.perf_counter()
    networks = load(folder)
    model = llama(tokens) if with_llm else None
    loaded = time.perf_counter() - start
    with wave.open(str(folder / "speech.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16).astype(np.float32) / 32768
    samples = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-5)
    waveform = torch.from_numpy(samples)[None]
    prompt = torch.randint(3, 32000, (1, PROMPT_TOKENS))
    took = []
    with torch.inference_mode():
        for _ in range(runs + 1):
            marks = [time.perf_counter()]
            states = networks["wavlm"](waveform, output_hidden_states=True)
            audio, last = states.hidden_states[LAYER], states.last_hidden_state
            marks.append(time.perf_counter())
            video = networks["manet"](faces(folder, finder))[None]
            marks.append(time.perf_counter())
            text = torch.zeros(1, 1, 4096)
            if model is not None:
                frames = last[:, : last.shape[1] // 5 * 5].reshape(1, -1, 5 * 1024)
                rows = networks["projector"](frames).to(torch.bfloat16)
                rows = torch.cat([rows, model.get_input_embeddings()(prompt)], 1)
                given = model.generate(inputs_embeds=rows, do_sample=False, output_hidden_states=True, return_dict_in_generate=True,
                                       attention_mask=torch.ones(rows.shape[:2], dtype=torch.long))
                text = torch.stack([step[-4][0, 0] for step in given.hidden_states[1:]])[None].float()
            marks.append(time.perf_counter())
            fusion = networks["fusion"]
            streams = [fusion.project(m, x) for m, x in enumerate((audio, text, video))]
            valence = float(fusion.flow(streams, [None] * 3, True)["valence"])
            marks.append(time.perf_counter())
            took.append([b - a for a, b in zip(marks, marks[1:])] + [marks[-1] - marks[0]])
    names = ("wavlm", "manet", "llm", "fusion", "utterance")
    print(json.dumps(dict(load_s=loaded, peak_kib=peak(), valence=valence, rows=list(text.shape[1:2]),
                          **{name: sorted(t[i] for t in took[1:])[runs // 2] for i, name in enumerate(names)})))


def prepare(fill, mien_train, true_llm, speech, face, folder):
    """Checkpoints, language model, clips, and two bundles of them: with the language model, and without."""
    import checkpoints as c
    from check_checkpoints import states_of

    files = folder / "files"
    if not (files / "done").exists():
        shutil.rmtree(files, ignore_errors=True)
        states = states_of(c.formula(fill), "large")
        states["fusion"] = calm(states["fusion"])
        c.save_config("large", files / "wavlm")
        for part, state in states.items():
            c.save_tensors(state, files / ("wavlm/model.safetensors" if part == "wavlm" else f"{part}.safetensors"))
        (files / "done").touch()
    llm = folder / "llm.gguf"
    if not llm.exists():
        subprocess.run([true_llm, str(llm), "q4_0"], check=True)
    pictures = folder / "faces"
    pictures.mkdir(exist_ok=True)
    for i in range(FACES):
        # As a camera gives them.
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", face, "-vf", "scale=480:480,pad=640:480:80:0", "-q:v", "3",
                        str(pictures / f"{i:03}.jpg")], check=True)
    clips(Path(speech), folder)
    if not (folder / "bundle").exists():
        parts = [word for part in ("manet", "projector", "fusion") for word in (f"--{part}", str(files / f"{part}.safetensors"))]
        command = [mien_train, "bundle", "build", "--wavlm", str(files / "wavlm/model.safetensors"), *parts, "--llm", str(llm),
                   "--int8", "--calibrate", str(folder / "clips.csv"), "--out", str(folder / "bundle")]
        print(" ".join(command), file=sys.stderr)
        subprocess.run(command, check=True)


def calm(fusion):
    """The fusion network with matrices as wide as PyTorch draws them, streams brought to a spread of about 1, and a head that gives
    valences of about 1: the formula's own weights give 1e12, which says nothing to a gate."""
    calmed = type(fusion)((name, value * 6**-0.5 if value.dim() == 2 else value) for name, value in fusion.items())
    calmed["frame_dim_reshape_0.weight"] /= 10
    calmed["frame_dim_reshape_2.weight"] /= 300
    calmed["fc_out_v.weight"] *= 100
    return calmed


def clips(speech, folder):
    """The recording repeated to the length of one utterance, and a list for the gate: it and those beside it, with the faces."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-stream_loop", "9", "-i", str(speech), "-t", str(SECONDS), "-ac", "1",
                    "-ar", "16000", str(folder / "speech.wav")], check=True)
    names = sorted(path for path in speech.parent.glob("*_*.wav"))
    rows = [f"clip_{i},{path},train,0,{folder / 'faces'}" for i, path in enumerate(names)]
    (folder / "clips.csv").write_text("\n".join(["id,path,split,label,face", *rows]) + "\n")


def ours(mien, folder, with_llm, threads, tokens, runs):
    """`mien bench` on the bundle; the number of generated tokens is the manifest's."""
    manifest = folder / "bundle/manifest.toml"
    manifest.write_text(re.sub(r"max_new_tokens = \d+", f"max_new_tokens = {tokens}", manifest.read_text()))
    subprocess.run([mien, "bundle", "seal", str(folder / "bundle")], capture_output=True, check=True)
    more = [] if with_llm else ["--no-llm"]
    done = subprocess.run([mien, "bench", "--bundle", str(folder / "bundle"), "--speech", str(folder / "speech.wav"), "--face",
                           str(folder / "faces"), "--seconds", str(SECONDS), "--runs", str(runs), "--threads", str(threads),
                           "--llm-threads", str(threads), "--json", *more], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    report = json.loads(done.stdout)
    stages = {stage["stage"]: stage["median_ms"] / 1e3 for stage in report["stages"]}
    return dict(load_s=sum(cost["ms"] for cost in report["load"]) / 1e3, peak_kib=report["peak_bytes"] // 1024,
                wavlm=stages["wavlm"], manet=stages["face + manet"], llm=stages["projector + llm"], fusion=stages["fusion"],
                utterance=stages["utterance"])


def theirs(folder, with_llm, threads, tokens, runs):
    command = [sys.executable, __file__, "--child", str(folder), str(int(with_llm)), str(threads), str(tokens), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    fill, mien, mien_train, true_llm, speech, face, folder = sys.argv[1:8]
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rounds, threads, tokens = option("--rounds", ROUNDS), option("--threads", THREADS), option("--tokens", TOKENS)
    prepare(fill, mien_train, true_llm, speech, face, folder)
    keys = ("wavlm", "manet", "llm", "fusion", "utterance")
    print(f"{SECONDS} s of speech, {FACES} pictures, {tokens} generated tokens, {threads} threads; best of {rounds} rounds; seconds")
    print("| | load | WavLM | faces and MA-Net | projector and LLM | fusion | utterance | peak MiB |\n|" + "---|" * 8)
    for with_llm in (False,) if "--no-llm" in sys.argv else (False, True):
        found = {"mien": [], "PyTorch": []}
        for _ in range(rounds):
            found["mien"].append(ours(mien, folder, with_llm, threads, tokens, 1 if with_llm else 5))
            found["PyTorch"].append(theirs(folder, with_llm, threads, tokens, 1 if with_llm else 5))
        best = {name: {key: min(run[key] for run in runs) for key in (*keys, "load_s", "peak_kib")} for name, runs in found.items()}
        title = "with the language model" if with_llm else "without"
        for name, run in best.items():
            print(f"| {name}, {title} | {run['load_s']:.1f} | " + " | ".join(f"{run[key]:.3f}" for key in keys) +
                  f" | {run['peak_kib'] / 1024:.0f} |")
        ratio = {key: best["mien"][key] / max(best["PyTorch"][key], 1e-9) for key in (*keys, "peak_kib")}
        print(f"| mien / PyTorch, {title} | | " + " | ".join("" if key == "llm" and not with_llm else f"{ratio[key]:.2f}" for key in keys) +
              f" | {ratio['peak_kib']:.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        child(Path(sys.argv[2]), sys.argv[3] == "1", *map(int, sys.argv[4:7]))
    else:
        main()
