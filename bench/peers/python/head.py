"""The language-model head of the peers tuned by hand: labeled rows only, in chunks of rows."""

import torch


class HeadLoss(torch.autograd.Function):
    """sum(weights · log p(targets)), in chunks: hidden [rows, width], targets and weights [rows].

    Forward leaves the head's gradient in head.grad, as the loss is this sum and nothing scales it. REINFORCE's weights
    are known before the forward pass, so a chunk's gradient is formed in the same pass and no logits are kept.
    """

    @staticmethod
    def forward(ctx, hidden, head, targets, weights, chunk_rows):
        hidden_gradient = torch.empty_like(hidden)
        total = torch.zeros((), device=hidden.device)
        if head.grad is None:
            head.grad = torch.zeros_like(head)
        for first in range(0, len(targets), chunk_rows):
            rows = slice(first, first + chunk_rows)
            chosen, weight = targets[rows, None], weights[rows, None]
            logits = (hidden[rows] @ head.T).float()
            normalizer = torch.logsumexp(logits, dim=-1, keepdim=True)
            total += (weight * (logits.gather(1, chosen) - normalizer)).sum()
            # d(weight · log p) / d logits = weight · (one-hot − softmax)
            gradient = logits.sub_(normalizer).exp_().mul_(-weight).scatter_add_(1, chosen, weight).to(hidden.dtype)
            torch.mm(gradient, head, out=hidden_gradient[rows])
            head.grad.addmm_(gradient.T, hidden[rows])
        ctx.save_for_backward(hidden_gradient)
        return total

    @staticmethod
    def backward(ctx, upstream):
        return ctx.saved_tensors[0], None, None, None, None


def selected_logprobs(hidden, head, targets, chunk_rows):
    """Log-probs of the targets [rows], without gradients."""
    values = []
    for part, chosen in zip(hidden.split(chunk_rows), targets.split(chunk_rows)):
        logits = (part @ head.T).float()
        values.append(logits.gather(1, chosen[:, None])[:, 0] - torch.logsumexp(logits, dim=-1))
    return torch.cat(values)
