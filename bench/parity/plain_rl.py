"""GRPO's and PPO's arithmetic in plain PyTorch, written from the design and not from TRL: the check that the
docstrings of make_grpo.py and make_ppo.py are exact. Each row is taken by itself, without padding."""

import torch


def check_grpo(rollouts: list[dict], advantages: list[float], cases: list[dict]) -> float:
    """Largest difference in the loss of the cases with these advantages (scaled by group) and log-probabilities."""
    usual = {"scale_rewards": "group", "temperature": 1.0}
    known = [case for case in cases if all(case["settings"][key] == value for key, value in usual.items())]
    return max(abs(grpo_loss(rollouts, advantages, case) - case["loss"]) for case in known)


def grpo_loss(rollouts: list[dict], advantages: list[float], case: dict) -> float:
    settings, end = case["settings"], 2
    rows = list(zip(rollouts, advantages))
    kept = [pair for pair in rows if pair[0]["completion"][-1] == end or not settings["mask_truncated"]]
    losses = [token_losses(rollout, advantage, case) for rollout, advantage in kept]
    if settings["loss"] == "grpo":
        return float(sum(loss.mean() for loss in losses) / len(rows))
    divisor = len(rows) * settings["max_new_tokens"] if settings["loss"] == "dr_grpo" else sum(map(len, losses))
    return float(sum(loss.sum() for loss in losses) / divisor)


def token_losses(rollout: dict, advantage: float, case: dict) -> torch.Tensor:
    settings = case["settings"]
    logprobs = torch.tensor(rollout["logprobs"])
    change = torch.zeros_like(logprobs) if case["on_policy"] else logprobs - torch.tensor(rollout["old"])
    ratio = change.exp() if settings["ratio"] == "token" else change.mean().exp().expand_as(change)
    clipped = ratio.clamp(1 - settings["epsilon"], 1 + settings["epsilon_high"])
    losses = -torch.minimum(ratio * advantage, clipped * advantage)
    distance = torch.tensor(rollout["reference"]) - logprobs
    k3 = distance.exp() - distance - 1
    return losses + settings["beta"] * (k3 * ratio if case["use_bias_correction_kl"] else k3)
