"""TRL's GRPOTrainer on the same rows, as a user would run it: its defaults.

Timed: training_step over every micro-batch (its own compute_loss, autocast, gradient checkpointing and metrics
included), then the clipped optimizer step. Left out: generation, rewards and the log-probs of a reference, as the rows
are already there; prompts are padded on the left and completions on the right, as its own collation does.
"logprobs" is its _get_per_token_logps_and_entropies without gradients, as it computes a reference's.
"""

import os
import tempfile
from importlib.metadata import version

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import torch_device
from checkpoint import hello
from datasets import Dataset
from lines import serve
from tokenizers import Tokenizer, models
from torch_device import memory, now, start, use
from transformers import PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

trainer = None


class PreparedTrainer(GRPOTrainer):
    """The trainer with its batches given instead of generated."""

    prepared: dict | None = None

    def _prepare_inputs(self, generation_batch):
        return self.prepared


def load(folder: str, dtype: str, threads: int, device: str, options: dict) -> dict:
    global trainer
    use(device)
    torch.set_num_threads(threads)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0}, "<pad>")), pad_token="<pad>")
    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(prefix="trl-"),
        use_cpu=device == "cpu",
        bf16=dtype == "bfloat16",
        per_device_train_batch_size=options["microBatch"],
        num_generations=options["microBatch"],
        report_to="none",
    )
    trainer = PreparedTrainer(
        model=folder,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": "x"}] * options["microBatch"]),
        processing_class=tokenizer,
    )
    trainer.create_optimizer()
    trainer.model_wrapped = trainer.model = trainer.accelerator.prepare(trainer.model).train()
    return dict(stateBytes=sum(4 * p.numel() * p.element_size() for p in trainer.model.parameters()))


def prepared(rows: list[dict], prompt: int, completion: int, items: int) -> dict:
    prompt_ids = torch.zeros(len(rows), prompt, dtype=torch.long)
    completion_ids = torch.zeros(len(rows), completion, dtype=torch.long)
    prompt_mask, completion_mask = torch.zeros_like(prompt_ids), torch.zeros_like(completion_ids)
    for i, row in enumerate(rows):
        start = row["actions"][0]["start"]
        state, action = row["tokens"][:start], row["tokens"][start:]
        prompt_ids[i, prompt - len(state) :] = torch.tensor(state)
        prompt_mask[i, prompt - len(state) :] = 1
        completion_ids[i, : len(action)] = torch.tensor(action)
        completion_mask[i, : len(action)] = 1
    batch = dict(
        prompt_ids=prompt_ids,
        prompt_mask=prompt_mask,
        completion_ids=completion_ids,
        completion_mask=completion_mask,
        advantages=torch.tensor([row["actions"][0]["advantage"] for row in rows]),
        num_items_in_batch=torch.tensor(items),
    )
    return {name: tensor.to(torch_device.here) for name, tensor in batch.items()}


def micro_batches(batches: list[list[dict]], padTo: int) -> list[dict]:
    completion = max(len(r["tokens"]) - r["actions"][0]["start"] for rows in batches for r in rows)
    items = sum(len(r["tokens"]) - r["actions"][0]["start"] for rows in batches for r in rows)
    return [prepared(rows, padTo - completion, completion, items) for rows in batches]


def logprobs(batches: list[list[dict]], padTo: int) -> dict:
    begun = start()
    sums = []
    with torch.no_grad(), trainer.compute_loss_context_manager():
        for inputs in micro_batches(batches, padTo):
            values, _, _ = trainer._get_per_token_logps_and_entropies(
                trainer.model,
                torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
                torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
                inputs["completion_ids"].size(1),
            )
            sums.extend((values * inputs["completion_mask"]).sum(-1).tolist())
    return dict(seconds=now() - begun, sums=sums, **memory())


def update(batches: list[list[dict]], padTo: int) -> dict:
    begun = start()
    trainer.current_gradient_accumulation_steps = len(batches)
    for inputs in micro_batches(batches, padTo):
        trainer.prepared = inputs
        trainer.training_step(trainer.model, None, None)
    middle = now()
    trainer.accelerator.clip_grad_norm_(trainer.model.parameters(), trainer.args.max_grad_norm)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()
    return dict(seconds=middle - begun, fixedSeconds=now() - middle, **memory())


serve(hello=lambda: hello() | dict(trl=version("trl")), load=load, logprobs=logprobs, update=update)
