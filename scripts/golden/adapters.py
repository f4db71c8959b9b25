"""Makes tests/golden/<case>/adapter.{json,safetensors}: LoRA on the tiny models, as peft computes it in float64.

    python scripts/golden/adapters.py [--only llama gemma2]

Run make.py first: it makes the checkpoints. See README.md for what the files hold.
"""

import argparse
import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

import families
import losses
from batch import make_batch
from make import BASE, OPTIMIZER, OUT, errors, load, load_truth, norm
from truth import Float64

PREFIX = "base_model.model."
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    # Every projection of every layer, with ranks and scales of their own.
    "all": dict(target_modules=PROJECTIONS, r=4, lora_alpha=8,
                rank_pattern={"k_proj": 1, "gate_proj": 2, "down_proj": 3}, alpha_pattern={"v_proj": 5, "up_proj": 1}),
    # A part of one layer that is not the lowest, rank 1, rsLoRA.
    "some": dict(target_modules=["v_proj", "up_proj"], layers_to_transform=[1], r=1, lora_alpha=3, use_rslora=True,
                 rank_pattern={"up_proj": 4}),
    # Attention's output alone, in the lowest layer: the backward ends inside it.
    "output": dict(target_modules=["o_proj"], layers_to_transform=[0], r=2, lora_alpha=2),
}


def engine_name(key: str) -> str:
    """The engine's name of a peft parameter: as in PEFT's files, without their prefix."""
    return key.removeprefix(PREFIX).replace(".default.", ".")


def weights(name: str, shapes: dict[str, torch.Size]) -> dict[str, torch.Tensor]:
    """A and B large enough to matter, B not zero, exact in bfloat16."""
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    return {key: (torch.randn(shape, generator=generator) * (0.6 / shape[1] ** 0.5 if "lora_A" in key else 0.2))
            .bfloat16().float() for key, shape in shapes.items()}


def adapted(model, options: dict, state: dict[str, torch.Tensor] | None, name: str):
    """The model with the adapter, its parameters by the engine's names, and the modules' ranks and scales."""
    peft = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, bias="none", **options))
    dtype = next(model.parameters()).dtype
    parameters = {}
    for key, parameter in peft.named_parameters():
        if not parameter.requires_grad:
            continue
        parameter.data = parameter.data.to(dtype)
        parameters[engine_name(key)] = parameter
    state = state or weights(name, {key: p.shape for key, p in parameters.items()})
    for key, parameter in parameters.items():
        parameter.data.copy_(state[key])
    modules = [dict(name=engine_name(key), rank=module.r["default"], scale=module.scaling["default"])
               for key, module in peft.named_modules() if hasattr(module, "lora_A") and hasattr(module, "scaling")]
    return peft, parameters, modules, state


def gradients(model, parameters, batch) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    value = losses.loss(model, batch, BASE)
    value.backward()
    return value.item(), {key: p.grad.detach().clone() for key, p in parameters.items()}


def adamw(model, parameters, batch, steps: int):
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=OPTIMIZER["lr"], betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]),
        eps=OPTIMIZER["eps"], weight_decay=OPTIMIZER["weightDecay"],
    )
    log = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = losses.loss(model, batch, BASE)
        value.backward()
        before = torch.nn.utils.clip_grad_norm_(parameters.values(), OPTIMIZER["maxGradNorm"])
        optimizer.step()
        log.append(dict(loss=value.item(), gradNorm=before.item()))
    return log, {key: p.detach().clone() for key, p in parameters.items()}


def make_case(name: str, out: Path, batch: list[dict]) -> None:
    folder = out / name
    tensors, expected = {}, {}
    for label, options in ADAPTERS.items():
        with Float64():
            truth, parameters, modules, state = adapted(load_truth(folder), options, None, name + label)
            with torch.no_grad():
                exact = torch.cat([losses.token_logprobs(truth, s)[0] for s in batch])
            loss, grads = gradients(truth, parameters, batch)
        halves, half_parameters, _, _ = adapted(load(folder, torch.bfloat16), options, state, name + label)
        with torch.no_grad():
            rough = torch.cat([losses.token_logprobs(halves, s)[0] for s in batch])
        entry = dict(modules=modules, loss=loss, gradNorm=norm(grads.values()), bfloat16=dict(
            logprobs=(rough.double() - exact).pow(2).mean().sqrt().item(),
            gradient=errors(gradients(halves, half_parameters, batch)[1], grads)["all"]))
        tensors |= {f"{label}.weight.{key}": value.float() for key, value in state.items()}
        tensors |= {f"{label}.gradient.{key}": value.float() for key, value in grads.items()}
        tensors[f"{label}.logprobs"] = exact
        if label == "all" and name in families.NEW:
            with Float64():
                entry["steps"], after = adamw(truth, parameters, batch, 10)
            float32, parameters32, _, _ = adapted(load(folder, torch.float32), options, state, name + label)
            _, after32 = adamw(float32, parameters32, batch, 10)
            moved = lambda end: {key: end[key].double() - state[key].double() for key in state}
            entry["float32Steps"] = errors(moved(after32), moved(after))
            tensors |= {f"{label}.step10.{key}": value.float() for key, value in after.items()}
        expected[label] = entry
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "adapter.safetensors")
    (folder / "adapter.json").write_text(json.dumps(dict(optimizer=OPTIMIZER, adapters=expected), indent=1) + "\n")
    print(name, {label: (round(e["loss"], 4), len(e["modules"]), e["bfloat16"]) for label, e in expected.items()},
          expected["all"].get("float32Steps", {}).get("all"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", nargs="*", default=[*families.NEW, *families.OLD])
    options = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    for name in options.only:
        make_case(name, options.out, make_batch())


if __name__ == "__main__":
    main()
