"""What the PyTorch peers share: the checkpoint, its state's bytes, and the matrix peak."""

import torch
import torch_device
import transformers
from torch_device import now, use
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()


def hello() -> dict:
    return dict(torch=torch.__version__, transformers=transformers.__version__)


def load_model(folder: str, dtype: str, threads: int, on: str, attention: str = "sdpa"):
    use(on)
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), attn_implementation=attention)
    return model.to(torch_device.here).train()


def state_bytes(model) -> int:
    """Weights, gradients, and AdamW's two moments, all of the weights' type."""
    return sum(4 * p.numel() * p.element_size() for p in model.parameters())


def matrix_peak(dtype: str, size: int) -> dict:
    """FLOP/s of one square product, best of a few."""
    a, b = (torch.randn(size, size).to(torch_device.here, getattr(torch, dtype)) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        begun = now()
        a @ b
        best = min(best, now() - begun)
    return dict(flops=2 * size**3 / best)
