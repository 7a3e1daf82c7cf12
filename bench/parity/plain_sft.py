"""Supervised fine-tuning as a plain PyTorch loop, written from the design and not from TRL: the check that the
design's words are exact. Each row runs by itself, without padding."""

import math

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
    optimizer = recipe["optimizer"]
    (beta1, beta2), eps, decay = optimizer["betas"], optimizer["eps"], optimizer["weight_decay"]
    parameters = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    first = {name: torch.zeros_like(weight) for name, weight in parameters.items()}
    second = {name: torch.zeros_like(weight) for name, weight in parameters.items()}
    log = []
    for step in range(total):
        start = (step % per_epoch) * recipe["batch"]
        batch = tokens[start:start + recipe["batch"]]
        count = sum(sum(mask) for _, mask in batch)
        model.zero_grad()
        loss = 0.0
        for ids, mask in batch:
            logprobs_TV = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
            logprobs_T = logprobs_TV.gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
            row_loss = -(logprobs_T * torch.tensor(mask)).sum() / count
            row_loss.backward()
            loss += row_loss.item()
        norm = math.sqrt(sum(float(weight.grad.double().square().sum()) for weight in parameters.values()))
        scale = min(1.0, optimizer["max_grad_norm"] / (norm + 1e-6))
        lr = optimizer["lr"] * learning_rate(step, total, recipe["schedule"])
        with torch.no_grad():
            for name, weight in parameters.items():
                gradient = weight.grad * scale
                first[name] = beta1 * first[name] + (1 - beta1) * gradient
                second[name] = beta2 * second[name] + (1 - beta2) * gradient**2
                if is_decayed(name):
                    weight *= 1 - lr * decay
                corrected = second[name] / (1 - beta2 ** (step + 1))
                weight -= lr * (first[name] / (1 - beta1 ** (step + 1))) / (corrected.sqrt() + eps)
        log.append({"loss": loss, "grad_norm": norm, "lr": lr})
    return log
