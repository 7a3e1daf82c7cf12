"""Supervised fine-tuning as a plain PyTorch loop, written from the design and not from TRL: the check that the
design's words are exact. Each row runs by itself, without padding."""

import math
from collections.abc import Callable

import torch


def learning_rate(step: int, total: int, settings: dict) -> float:
    """Of step 0, 1, ...: a linear warm-up over ceil(fraction * total) steps, then the schedule."""
    warmup = math.ceil(settings["warmup"] * total)
    if step < warmup:
        return step / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return {"constant": 1.0, "linear": 1 - progress, "cosine": 0.5 * (1 + math.cos(math.pi * progress))}[settings["name"]]


def is_decayed(name: str) -> bool:
    """Norms and biases are spared from weight decay, as in transformers."""
    return "norm" not in name and "bias" not in name


def train(model, tokens: list[tuple[list[int], list[int]]], recipe: dict, total: int, per_epoch: int) -> list[dict]:
    """Trains the parameters that require a gradient; gives loss, gradient norm and learning rate of each step."""
    def loss_of(step: int) -> torch.Tensor:
        start = (step % per_epoch) * recipe["batch"]
        batch = tokens[start:start + recipe["batch"]]
        count = sum(sum(mask) for _, mask in batch)
        return sum(-(logprobs_of(model, ids) * torch.tensor(mask)).sum() for ids, mask in batch) / count

    return descend(model, recipe, total, loss_of)


def logprobs_of(model, ids: list[int]) -> torch.Tensor:
    """Entry i is the log-probability of ids[i + 1]."""
    logprobs_TV = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return logprobs_TV.gather(1, torch.tensor(ids[1:])[:, None])[:, 0]


def descend(model, recipe: dict, total: int, loss_of: Callable[[int], torch.Tensor]) -> list[dict]:
    """AdamW with clipping on the loss of each step; gives loss, gradient norm and learning rate of each."""
    optimizer = AdamW(model, recipe["optimizer"])
    log = []
    for step in range(total):
        loss = loss_of(step)
        lr = recipe["optimizer"]["lr"] * learning_rate(step, total, recipe["schedule"])
        log.append({"loss": loss.item(), "grad_norm": optimizer.step(loss, lr), "lr": lr})
    return log


class AdamW:
    """On the parameters of a model that require a gradient."""

    def __init__(self, model, settings: dict) -> None:
        self.settings, self.steps = settings, 0
        self.parameters = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.first = {name: torch.zeros_like(weight) for name, weight in self.parameters.items()}
        self.second = {name: torch.zeros_like(weight) for name, weight in self.parameters.items()}

    def step(self, loss: torch.Tensor, lr: float) -> float:
        """Differentiates the loss and moves the parameters; gives the gradient's norm before clipping."""
        (beta1, beta2), eps, decay = self.settings["betas"], self.settings["eps"], self.settings["weight_decay"]
        gradients = torch.autograd.grad(loss, list(self.parameters.values()))
        norm = math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients))
        scale = min(1.0, self.settings["max_grad_norm"] / (norm + 1e-6))
        self.steps += 1
        with torch.no_grad():
            for (name, weight), gradient in zip(self.parameters.items(), gradients):
                self.first[name] = beta1 * self.first[name] + (1 - beta1) * gradient * scale
                self.second[name] = beta2 * self.second[name] + (1 - beta2) * (gradient * scale)**2
                if is_decayed(name):
                    weight *= 1 - lr * decay
                corrected = self.second[name] / (1 - beta2 ** self.steps)
                weight -= lr * (self.first[name] / (1 - beta1 ** self.steps)) / (corrected.sqrt() + eps)
        return norm
