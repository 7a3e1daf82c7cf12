"""Reference numbers of torch.optim.AdamW, clip_grad_norm_ and transformers' schedules for src/train/*.test.ts.

    python bench/parity/optimizer.py > src/train/fixtures/optimizer.json
"""

import json
import math

import torch
from transformers import get_scheduler

STEPS = 10
SHAPES = {"a": (3, 4), "b": (5,)}


def values(tensor):
    """Exact decimal form of f32 values."""
    return [float(x) for x in tensor.detach().flatten()]


def adamw(settings, lr_of_step, max_norm):
    generator = torch.Generator().manual_seed(7)
    parameters = {name: torch.nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in SHAPES.items()}
    initial = {name: values(parameter) for name, parameter in parameters.items()}
    optimizer = torch.optim.AdamW(parameters.values(), foreach=False, **settings)
    steps = []
    for step in range(STEPS):
        gradients = {}
        for name, parameter in parameters.items():
            # Sizes over nine decades, some zeros: the cases in which eps and the order of operations show.
            scale = 10.0 ** torch.randint(-6, 3, parameter.shape, generator=generator)
            parameter.grad = torch.randn(parameter.shape, generator=generator) * scale
            parameter.grad.flatten()[step % 4] = 0
            gradients[name] = values(parameter.grad)
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), max_norm)
        for group in optimizer.param_groups:
            group["lr"] = lr_of_step(step)
        optimizer.step()
        steps.append({
            "gradients": gradients,
            "lr": lr_of_step(step),
            "norm": float(norm),
            "parameters": {name: values(parameter) for name, parameter in parameters.items()},
        })
    moments = {
        f"{key}.{name}": values(optimizer.state[parameter][key])
        for name, parameter in parameters.items()
        for key in ("exp_avg", "exp_avg_sq")
    }
    return {
        "settings": {"betas": settings["betas"], "eps": settings["eps"], "weightDecay": settings["weight_decay"]},
        "maxNorm": max_norm, "initial": initial, "steps": steps, "moments": moments,
    }


def schedule(name, warmup, steps):
    """Factors at every step, and one past the end."""
    transformers_name = "constant_with_warmup" if name == "constant" else name
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    warmup_steps = math.ceil(warmup * steps)
    scheduler = get_scheduler(transformers_name, optimizer, num_warmup_steps=warmup_steps, num_training_steps=steps)
    factors = []
    for _ in range(steps + 1):
        factors.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {"name": name, "warmup": warmup, "steps": steps, "factors": factors}


print(json.dumps({
    "adamw": [
        adamw({"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.1}, lambda step: 1e-2 / (step + 1), 1e9),
        adamw({"betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.0}, lambda step: 5e-3, 1.0),
    ],
    "schedules": [
        schedule(name, warmup, steps)
        for name in ("constant", "linear", "cosine")
        for warmup, steps in ((0.0, 7), (0.03, 20), (0.3, 10), (1.0, 4))
    ],
}, separators=(",", ":")))
