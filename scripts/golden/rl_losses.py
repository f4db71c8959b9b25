"""Policy-gradient losses and their gradients, as TRL and verl compute them, on the same rows in float64.

    python scripts/golden/rl_losses.py        (venv with trl==1.13.0, torch==2.13.0; no GPU, seconds)

writes tests/golden/losses/{trl,verl}.json: `rows` as a padded batch, and per case the loss and d loss / d log-prob.

TRL: `GRPOTrainer._compute_loss` itself runs, on a trainer without a model whose log-probs are the given ones. The
importance weights are computed by the lines of `GRPOTrainer` that compute them, taken from its source.
verl (0.9.1, verl/trainer/ppo/core_algos.py): where TRL has no such loss, from its formulas, written anew with autograd.
"""

import inspect
import json
import math
import textwrap
from pathlib import Path
from types import SimpleNamespace

import torch
from trl.experimental.gspo_token import GRPOTrainer as GspoTokenTrainer
from trl.trainer.grpo_trainer import GRPOTrainer

FOLDER = Path(__file__).parents[2] / "tests" / "golden" / "losses"
MAX_LENGTH = 9  # of a completion; the longest row has 7 tokens
LENGTHS = [7, 1, 5, 4, 3, 6]
ADVANTAGES = [1.25, -0.75, 0.5, -1.5, 0.0, -0.25]


def batch():
    """Rows of several lengths, one with a masked token inside, one with every token masked."""
    generator = torch.Generator().manual_seed(13)
    shape = (len(LENGTHS), max(LENGTHS))
    normal = lambda scale: scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    logps = -torch.rand(shape, generator=generator, dtype=torch.float64) * 3 - 0.05
    clamp = lambda x: x.clamp(max=-1e-3).float().double()  # exact in float32, as a batch's log-probs are
    logps = clamp(logps)
    mask = torch.zeros(shape, dtype=torch.float64)
    for row, length in enumerate(LENGTHS):
        mask[row, :length] = 1
    mask[0, 2] = 0
    mask[3, :] = 0
    return {
        "logps": logps,
        "old": clamp(logps + normal(0.4)),
        "reference": clamp(logps + normal(0.5)),
        "sampler": clamp(logps + normal(0.9)),
        "mask": mask,
        "advantages": torch.tensor(ADVANTAGES, dtype=torch.float64),
    }


class Metrics(dict):
    def __missing__(self, key):
        self[key] = []
        return self[key]


def importance_weights(rows, mode, clip_min, clip_max):
    """The lines of TRL that compute `vllm_importance_sampling_ratio`, run on these rows."""
    source = inspect.getsource(GRPOTrainer).splitlines()
    first = next(i for i, line in enumerate(source) if "sequence_level_is = self.vllm_importance" in line)
    last = next(i for i, line in enumerate(source) if "Unknown vLLM importance sampling level" in line)
    code = textwrap.dedent("\n".join(source[first : last + 2]))
    names = {
        "torch": torch,
        "math": math,
        "self": SimpleNamespace(
            vllm_importance_sampling_mode=mode,
            vllm_importance_sampling_clip_min=clip_min,
            vllm_importance_sampling_clip_max=clip_max,
        ),
        "per_token_logps_diff": (rows["old"] - rows["sampler"]) * rows["mask"],
    }
    exec(code, names)  # noqa: S102
    return names["vllm_importance_sampling_ratio"]


def trl_case(rows, name, loss_type, *, level="token", low=0.2, high=0.2, delta=None, beta=0.0, correction=None):
    trainer_class = GspoTokenTrainer if level == "sequence_token" else GRPOTrainer
    trainer = trainer_class.__new__(trainer_class)
    logps = rows["logps"].clone().requires_grad_(True)
    trainer.__dict__.update(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logps, torch.zeros_like(logps), None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=level,
        beta=beta,
        loss_type=loss_type,
        epsilon_low=low,
        epsilon_high=high,
        use_vllm=correction is not None,
        vllm_importance_sampling_correction=correction is not None,
        max_completion_length=MAX_LENGTH,
        current_gradient_accumulation_steps=1,
        _entropy_bonus_enabled=False,
        model=SimpleNamespace(training=True),
        args=SimpleNamespace(
            delta=delta,
            use_bias_correction_kl=False,
            sapo_temperature_pos=1.0,
            sapo_temperature_neg=1.05,
            steps_per_generation=1,
        ),
        accelerator=SimpleNamespace(
            num_processes=1, sync_gradients=False, gather=lambda x: x, reduce=lambda x, reduction: x
        ),
        _metrics={"train": Metrics()},
    )
    ids = torch.zeros(rows["logps"].shape, dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": ids[:, :1] + 1,
        "completion_ids": ids,
        "completion_mask": rows["mask"],
        "advantages": rows["advantages"],
        "old_per_token_logps": rows["old"],
        "ref_per_token_logps": rows["reference"],
        "num_items_in_batch": rows["mask"].sum(),
    }
    if correction:
        inputs["importance_sampling_ratio"] = importance_weights(rows, **correction)
    return result(name, trainer._compute_loss(None, inputs), logps)


def result(name, loss, logps):
    loss.backward()
    return {"name": name, "loss": loss.item(), "gradient": logps.grad.tolist()}


def trl(rows):
    case = lambda *args, **options: trl_case(rows, *args, **options)
    corrections = [
        ("token_truncate", None, 1.5),
        ("token_mask", None, 1.5),
        ("token_mask", 0.5, 2.0),
        ("sequence_truncate", 0.5, 1.5),
        ("sequence_mask", None, 3.0),
    ]
    return [
        case("grpo", "grpo"),
        case("grpo, dual clip", "grpo", delta=1.3),
        case("grpo, k3", "grpo", beta=0.1),
        case("dr_grpo", "dr_grpo"),
        case("dapo", "dapo", high=0.28),
        case("gspo", "grpo", level="sequence", low=3e-4, high=4e-4),
        case("gspo, wide", "grpo", level="sequence"),
        case("gspo_token, wide", "grpo", level="sequence_token"),
        case("cispo", "cispo", high=1.3),
        case("sapo", "sapo"),
    ] + [
        case(
            f"grpo, {mode} {clip_min} {clip_max}",
            "grpo",
            correction={"mode": mode, "clip_min": clip_min, "clip_max": clip_max},
        )
        for mode, clip_min, clip_max in corrections
    ] + [
        case(
            "gspo, wide, token_truncate None 1.5",
            "grpo",
            level="sequence",
            correction={"mode": "token_truncate", "clip_min": None, "clip_max": 1.5},
        )
    ]


def verl(rows):
    mask, old, advantages = rows["mask"], rows["old"], rows["advantages"].unsqueeze(1)
    reference = rows["reference"]

    def token_mean(name, losses):
        logps = rows["logps"].clone().requires_grad_(True)
        return result(name, (losses(logps) * mask).sum() / mask.sum(), logps)

    def capped(logps, cap, floor=0.0):
        return (logps - old).exp().clamp(floor, cap).detach()

    def dual_clip(logps):
        ratio = (logps - old).exp()
        upper = torch.maximum(-advantages * ratio, -advantages * ratio.clamp(0.8, 1.2))
        return torch.where(advantages < 0, torch.minimum(-advantages * 1.3, upper), upper)

    def dppo(divergence, limit, cap):
        def losses(logps):
            p, q = logps.exp(), old.exp()
            moved = divergence(p, q) > limit
            valid = torch.where(advantages > 0, ~moved | (p <= q), ~moved | (p >= q))
            return -advantages * capped(logps, cap) * logps * valid.detach()

        return losses

    def binary_kl(p, q):
        return q * (q.log() - p.log()) + (1 - q) * ((1 - q + 1e-8) / (1 - p + 1e-8)).log()

    def straight_through(logps):
        d = logps - reference
        k2, k3 = 0.5 * d * d, (-d).exp() - 1 + d
        return k2 - k2.detach() + k3.detach()

    return [
        token_mean("ppo-clip, dual clip", dual_clip),
        token_mean("cispo, floor", lambda logps: -capped(logps, 1.2, 0.8) * advantages * logps),
        token_mean("dppo_tv", dppo(lambda p, q: (p - q).abs(), 0.1, 1.4)),
        token_mean("dppo_kl", dppo(binary_kl, 0.02, 1.4)),
        token_mean("k3+", straight_through),
    ]


def main():
    rows = batch()
    FOLDER.mkdir(parents=True, exist_ok=True)
    shown = {key: value.tolist() for key, value in rows.items()}
    for name, cases in (("trl", trl(rows)), ("verl", verl(rows))):
        text = json.dumps({"rows": shown, "maxLength": MAX_LENGTH, "cases": cases})
        (FOLDER / f"{name}.json").write_text(text + "\n")
        print(name, len(cases), "cases")


main()
