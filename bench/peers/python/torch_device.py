"""The device that a peer computes on, its clock and its memory."""

import time

import torch
from lines import Unavailable

here = torch.device("cpu")


def use(name: str) -> None:
    """Everything after this is on that device; refuses a GPU that torch does not see."""
    global here
    if name != "cpu":
        if not torch.cuda.is_available():
            raise Unavailable(f"torch {torch.__version__} sees no GPU, and {name} was asked for")
        torch.cuda.set_device(name)
    here = torch.device(name)


def start() -> float:
    """The clock, and a new peak of memory."""
    if here.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    return now()


def now() -> float:
    """Seconds, once the device has done what was asked of it."""
    if here.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def memory() -> dict:
    """Bytes of the GPU's memory that tensors took at most since start()."""
    return dict(peakBytes=torch.cuda.max_memory_allocated()) if here.type == "cuda" else {}
