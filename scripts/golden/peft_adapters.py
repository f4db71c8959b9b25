"""Adapters that PEFT trained and wrote, and what PEFT computes with them: tests/golden/peft/<case>.

    python scripts/golden/peft_adapters.py [--out tests/golden/peft]

Each case is a folder as save_pretrained leaves it (without its README), and logprobs.json: the log-probs of batch.json
under base and adapter, in float64. The base is tests/golden/<base>. Needs peft beside requirements.txt.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM
from transformers.utils import logging

import losses
from batch import make_batch
from truth import Float64

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"

CASES = {
    # Ranks and alphas by pattern, rsLoRA, names by their ends.
    "llama": dict(
        r=4,
        lora_alpha=6,
        use_rslora=True,
        target_modules=["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"],
        rank_pattern={"up_proj": 2, r"layers\.1\.self_attn\.q_proj": 3},
        alpha_pattern={"layers.0.mlp.down_proj": 12},
    ),
    # Every linear layer, with dropout while it trained; stored in bfloat16.
    "qwen2": dict(r=3, lora_alpha=8, target_modules="all-linear", lora_dropout=0.1),
    # A regular expression; one layer excluded.
    "gemma3": dict(
        r=2,
        lora_alpha=4,
        target_modules=r".*\.(self_attn|mlp)\.(k|v|gate)_proj",
        exclude_modules=["layers.0.self_attn.k_proj"],
    ),
}


def train(model, batch: list[dict]) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.005)
    model.train()
    for _ in range(8):
        optimizer.zero_grad()
        loss = -sum(s["advantage"] * losses.token_logprobs(model, s)[0].sum() for s in batch) / len(batch)
        loss.backward()
        optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=GOLDEN / "peft")
    out = parser.parse_args().out
    logging.disable_progress_bar()
    batch = make_batch()
    for name, settings in CASES.items():
        torch.manual_seed(sum(map(ord, name)))
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        load = lambda dtype: AutoModelForCausalLM.from_pretrained(
            GOLDEN / name, dtype=dtype, attn_implementation="eager"
        )
        model = get_peft_model(load(torch.float32), LoraConfig(task_type="CAUSAL_LM", **settings))
        train(model, batch)
        if name == "qwen2":
            for key, value in model.named_parameters():
                if "lora_" in key:
                    value.data = value.data.to(torch.bfloat16)
        model.save_pretrained(folder)
        (folder / "README.md").unlink()
        config = folder / "adapter_config.json"
        values = json.loads(config.read_text()) | dict(base_model_name_or_path=f"../../{name}")
        if isinstance(values["target_modules"], list):  # a set, in an order that changes from run to run
            values["target_modules"].sort()
        config.write_text(json.dumps(values, indent=2) + "\n")
        with Float64():
            base_model = load(torch.float64)
        wide = PeftModel.from_pretrained(base_model, folder, autocast_adapter_dtype=False).double().eval()
        with Float64(), torch.no_grad():
            logprobs = torch.cat([losses.token_logprobs(wide, s)[0] for s in batch])
            with wide.disable_adapter():
                base = torch.cat([losses.token_logprobs(wide, s)[0] for s in batch])
        moved = (logprobs - base).abs().max().item()
        print(f"{name}: the adapter moves log-probs by up to {moved:.3f}")
        assert moved > 0.1
        (folder / "logprobs.json").write_text(json.dumps([round(x, 12) for x in logprobs.tolist()]) + "\n")


main()
