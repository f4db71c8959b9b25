"""Runs transformers in true float64.

`model.double()` is not enough: norms, softmax and rotary embeddings cast to float32 inside. This mode turns every
request for float32 into one for float64, from the construction of the model (its rotary frequencies) on.
"""

import torch
from torch.overrides import TorchFunctionMode


class Float64(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.float:
            return args[0].double()
        widen = lambda value: torch.float64 if value is torch.float32 else value
        args = tuple(widen(value) for value in args)
        kwargs = {key: widen(value) for key, value in (kwargs or {}).items()}
        return func(*args, **kwargs)
