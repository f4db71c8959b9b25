"""Makes tests/golden: tiny checkpoints of every family, and what torch and transformers compute with them.

    python scripts/golden/make.py [--out tests/golden] [--only llama gemma2]

Deterministic: the same versions (requirements.txt) on the same processor give the same bytes; other processors move
the float32 figures in their last digits, the float64 ones not at all. See README.md for what each file holds.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

import families
import losses
from batch import make_batch, make_long
from truth import Float64

OUT = Path(__file__).resolve().parents[2] / "tests" / "golden"
DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
OPTIMIZER = dict(lr=1e-3, beta1=0.9, beta2=0.95, eps=1e-8, weightDecay=0.1, maxGradNorm=1.0)
BASE = dict(loss="reinforce", aggregation="sequence-sum", clipLow=0.2, clipHigh=0.3, klWeight=0.0,
            klEstimator="k1", temperature=1.0)
LOSSES = {
    "reinforce": BASE,
    "reinforce/sequence-mean": BASE | dict(aggregation="sequence-mean"),
    "reinforce/token-mean": BASE | dict(aggregation="token-mean"),
    "reinforce/temperature": BASE | dict(temperature=0.7),
    "reinforce/k1": BASE | dict(klWeight=0.1),
    "reinforce/k2": BASE | dict(klWeight=0.1, klEstimator="k2"),
    "reinforce/k3": BASE | dict(klWeight=0.1, klEstimator="k3"),
    "ppo-clip": BASE | dict(loss="ppo-clip"),
    "ppo-clip/k3/token-mean": BASE | dict(loss="ppo-clip", klWeight=0.1, klEstimator="k3", aggregation="token-mean"),
}
STORED_GRADIENTS = ["reinforce", "ppo-clip/k3/token-mean"]


def random_weights(model, name: str) -> dict[str, torch.Tensor]:
    """Weights that keep activations of order one and attention far from uniform, exact in their stored type."""
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    gemma = name.startswith("gemma")
    state = {}
    for key, value in model.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        if "norm" in key:
            weight = 0.2 * noise + (0.0 if gemma else 1.0)
        elif key.endswith("bias"):
            weight = 0.3 * noise
        elif "embed_tokens" in key or "lm_head" in key:
            weight = 0.4 * noise
        else:
            weight = 1.3 * noise / value.shape[1] ** 0.5
        state[key] = weight.to(DTYPES[families.STORED[name]]).float()
    if model.config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    return state


def write_checkpoint(folder: Path, name: str, state: dict[str, torch.Tensor], tied: bool) -> None:
    dtype = DTYPES[families.STORED[name]]
    stored = {key: value.to(dtype).contiguous() for key, value in state.items() if not (tied and key == "lm_head.weight")}
    (folder / "config.json").write_text(json.dumps(families.config_json(name), indent=2) + "\n")
    if name not in families.SHARDED:
        save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
        return
    keys = sorted(stored)
    halves = [keys[: len(keys) // 2], keys[len(keys) // 2 :]]
    weight_map = {}
    for number, half in enumerate(halves, 1):
        shard = f"model-{number:05}-of-{len(halves):05}.safetensors"
        save_file({key: stored[key] for key in half}, folder / shard, metadata={"format": "pt"})
        weight_map |= {key: shard for key in half}
    total = sum(value.numel() * value.element_size() for value in stored.values())
    index = dict(metadata=dict(total_size=total), weight_map=weight_map)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def load(folder: Path, dtype):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").train()


def load_truth(folder: Path):
    """The same model and weights in float64, to be called under Float64."""
    config = AutoConfig.from_pretrained(folder)
    state = load(folder, torch.float32).state_dict()
    with Float64():
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float64, attn_implementation="eager").train()
    model.load_state_dict({key: value.double() for key, value in state.items()})
    buffers = {key: value.dtype for key, value in model.named_buffers() if "inv_freq" in key}
    assert buffers and all(dtype == torch.float64 for dtype in buffers.values()), buffers
    return model


def gradients(model, batch, options) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    value = losses.loss(model, batch, options)
    value.backward()
    return value.item(), {key: p.grad.detach().clone() for key, p in model.named_parameters()}


def norm(tensors) -> float:
    return torch.sqrt(sum(t.double().pow(2).sum() for t in tensors)).item()


def errors(found: dict[str, torch.Tensor], truth: dict[str, torch.Tensor]) -> dict:
    """Relative error of each tensor's norm, and of all together."""
    each = {key: norm([found[key].double() - truth[key]]) / max(norm([truth[key]]), 1e-300) for key in truth}
    return dict(all=norm(found[k].double() - truth[k] for k in truth) / norm(truth.values()), tensors=each)


def adamw(model, batch, steps: int) -> tuple[list[dict], dict[int, dict[str, torch.Tensor]]]:
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=OPTIMIZER["lr"], betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]),
        eps=OPTIMIZER["eps"], weight_decay=OPTIMIZER["weightDecay"],
    )
    log, kept = [], {}
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        value = losses.loss(model, batch, BASE)
        value.backward()
        before = torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIMIZER["maxGradNorm"])
        optimizer.step()
        log.append(dict(loss=value.item(), gradNorm=before.item()))
        if step in (1, steps):
            kept[step] = {key: p.detach().clone() for key, p in model.named_parameters()}
    return log, kept


def add_behavior_and_reference(batch: list[dict], model) -> None:
    """Log-probs of imaginary older policies: the model's own, moved enough that both sides of the clip are hit."""
    generator = torch.Generator().manual_seed(11)
    for sequence in batch:
        with torch.no_grad():
            own, _ = losses.token_logprobs(model, sequence)
        for key, scale in (("behavior", 0.3), ("reference", 0.5)):
            moved = own + scale * torch.randn(own.shape, generator=generator)
            sequence[key] = moved.float().clamp(max=-1e-3)


def make_case(name: str, out: Path, batch: list[dict]) -> None:
    torch.manual_seed(0)
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(families.config_json(name)))
    config = AutoConfig.from_pretrained(folder)
    blank = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    write_checkpoint(folder, name, random_weights(blank, name), config.tie_word_embeddings)

    float32, bfloat16 = load(folder, torch.float32), load(folder, torch.bfloat16)
    assert all(b.dtype == torch.float32 for key, b in bfloat16.named_buffers() if "inv_freq" in key)
    truth = load_truth(folder)
    batch = [dict(sequence) for sequence in batch]
    add_behavior_and_reference(batch, float32)
    tensors = {f"rope.{key}": value.clone() for key, value in truth.model.rotary_emb.named_buffers()
               if key.endswith("inv_freq") and "original" not in key}

    with torch.no_grad():
        pairs32 = [losses.token_logprobs(float32, s) for s in batch]
        logprobs16 = torch.cat([losses.token_logprobs(bfloat16, s)[0] for s in batch])
        long = make_long()
        long32, long16 = (torch.cat([losses.token_logprobs(m, s)[0] for s in long]) for m in (float32, bfloat16))
        with Float64():
            pairs = [losses.token_logprobs(truth, s) for s in batch]
            warm = torch.cat([losses.token_logprobs(truth, s, 0.7)[0] for s in batch])
            exact_long = torch.cat([losses.token_logprobs(truth, s)[0] for s in long])
    exact = torch.cat([p for p, _ in pairs])
    tensors |= {
        "logprobs": exact, "logprobs.temperature": warm, "logprobs.long": exact_long,
        "logprobs.float32": torch.cat([p for p, _ in pairs32]),
        "behavior": torch.cat([s["behavior"] for s in batch]),
        "reference": torch.cat([s["reference"] for s in batch]),
    }

    def logprob_errors(found: torch.Tensor, truth: torch.Tensor) -> dict:
        difference = found.double() - truth
        return dict(max=difference.abs().max().item(), rms=difference.pow(2).mean().sqrt().item())

    expected = dict(
        stored=families.STORED[name], layout="transformers 5" if name in families.NEW else "before",
        entropy=torch.cat([e for _, e in pairs]).mean().item(),
        clipRatio=losses.clip_ratio([p for p, _ in pairs], batch, BASE),
        torchError=dict(
            float32=dict(logprobs=logprob_errors(tensors["logprobs.float32"], exact), long=logprob_errors(long32, exact_long)),
            bfloat16=dict(logprobs=logprob_errors(logprobs16, exact), long=logprob_errors(long16, exact_long)),
        ),
        losses={}, optimizer=OPTIMIZER,
    )

    full = name in families.NEW
    for label, options in LOSSES.items():
        if not full and label != "reinforce":
            continue
        with Float64():
            value, grads = gradients(truth, batch, options)
        entry = dict(options=options, loss=value, gradNorm=norm(grads.values()))
        if options["klWeight"] > 0:
            entry["kl"] = torch.cat([losses.kl(p, s["reference"].double(), options["klEstimator"])
                                     for (p, _), s in zip(pairs, batch)]).mean().item()
        if label in STORED_GRADIENTS:
            tensors |= {f"gradient.{label}.{key}": value.float() for key, value in grads.items()}
            entry["torchError"] = dict(float32=errors(gradients(float32, batch, options)[1], grads))
            if label == "reinforce":
                entry["torchError"]["bfloat16"] = errors(gradients(bfloat16, batch, options)[1], grads)
        expected["losses"][label] = entry

    if full:
        start = {key: p.detach().clone() for key, p in truth.named_parameters()}
        with Float64():
            expected["steps"], kept = adamw(truth, batch, 10)
        _, kept32 = adamw(float32, batch, 10)
        expected["torchError"]["float32"]["steps"] = {}
        for step, parameters in kept.items():
            tensors |= {f"step{step}.{key}": value.float() for key, value in parameters.items()}
            moved = lambda source: {key: source[step][key].double() - start[key] for key in start}
            expected["torchError"]["float32"]["steps"][step] = errors(moved(kept32), moved(kept))
    # SFT is REINFORCE with every advantage 1.
    with Float64():
        # A fresh model: AdamW moved the first one.
        sft, _ = gradients(load_truth(folder) if full else truth, [s | dict(advantage=1.0) for s in batch], BASE)
    expected["sftLoss"] = sft

    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    report = expected["torchError"]
    print(f"{name:12} float32 {report['float32']['logprobs']['max']:.1e}  bfloat16 {report['bfloat16']['logprobs']['max']:.1e}"
          f"  gradients {expected['losses']['reinforce']['torchError']['float32']['all']:.1e}"
          f"  bfloat16 {expected['losses']['reinforce']['torchError']['bfloat16']['all']:.1e}"
          f"  gradNorm {expected['losses']['reinforce']['gradNorm']:.2f} entropy {expected['entropy']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", nargs="*", default=[*families.NEW, *families.OLD])
    options = parser.parse_args()
    logging.disable_progress_bar()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    batch = make_batch()
    (options.out / "batch.json").write_text(
        "[\n" + ",\n".join(json.dumps(sequence) for sequence in batch) + "\n]\n")
    (options.out / "long.json").write_text(
        "[\n" + ",\n".join(json.dumps(sequence) for sequence in make_long()) + "\n]\n")
    for name in options.only:
        make_case(name, options.out, batch)


if __name__ == "__main__":
    main()
