"""The losses, written from their equations, one sequence at a time (no padding, no tree).

objective_t = A · log π_t                                   reinforce
            = min(r_t · A, clip(r_t, 1 − low, 1 + high) · A)   ppo-clip, r_t = exp(log π_t − log π_behaviour_t)
minus klWeight · k_t, with d_t = log π_t − log π_reference_t:
k1 = d, k2 = d² / 2, k3 = exp(−d) − 1 + d.
loss = −aggregate(objective): sequence-sum (1/N) Σᵢ Σₜ, sequence-mean (1/N) Σᵢ (1/Tᵢ) Σₜ, token-mean Σᵢ Σₜ / Σᵢ Tᵢ.
"""

import torch


def token_logprobs(model, sequence: dict, temperature: float = 1.0):
    """log π and entropy of the action's tokens, in float32 or better."""
    ids = torch.tensor([sequence["tokens"]])
    logits = model(input_ids=ids, use_cache=False).logits[0]
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature
    start = sequence["actionStart"]
    log_softmax = torch.log_softmax(logits[start - 1 : -1], dim=-1)
    entropy = -(log_softmax.exp() * log_softmax).sum(-1)
    return log_softmax.gather(1, ids[0, start:, None])[:, 0], entropy


def kl(logprobs, reference, estimator: str):
    d = logprobs - reference
    return {"k1": d, "k2": 0.5 * d * d, "k3": torch.exp(-d) - 1 + d}[estimator]


def objective(logprobs, sequence: dict, options: dict):
    advantage = sequence["advantage"]
    if options["loss"] == "reinforce":
        value = advantage * logprobs
    else:
        ratio = torch.exp(logprobs - sequence["behavior"].to(logprobs.dtype))
        clipped = ratio.clamp(1 - options["clipLow"], 1 + options["clipHigh"])
        value = torch.minimum(ratio * advantage, clipped * advantage)
    if options["klWeight"] > 0:
        value = value - options["klWeight"] * kl(
            logprobs, sequence["reference"].to(logprobs.dtype), options["klEstimator"]
        )
    return value


def loss(model, batch: list[dict], options: dict):
    per_sequence = []
    for sequence in batch:
        logprobs, _ = token_logprobs(model, sequence, options["temperature"])
        per_sequence.append(objective(logprobs, sequence, options))
    if options["aggregation"] == "token-mean":
        return -torch.cat(per_sequence).mean()
    reduce = torch.sum if options["aggregation"] == "sequence-sum" else torch.mean
    return -torch.stack([reduce(values) for values in per_sequence]).mean()


def clip_ratio(logprobs: list, batch: list[dict], options: dict) -> float:
    """Share of scored tokens whose ratio was clipped against the sign of the advantage."""
    clipped = total = 0
    for values, sequence in zip(logprobs, batch):
        ratio = torch.exp(values - sequence["behavior"].to(values.dtype))
        low = (ratio < 1 - options["clipLow"]) & (sequence["advantage"] < 0)
        high = (ratio > 1 + options["clipHigh"]) & (sequence["advantage"] > 0)
        clipped += int((low | high).sum())
        total += len(values)
    return clipped / total
