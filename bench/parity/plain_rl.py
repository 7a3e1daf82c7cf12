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


def check_ppo(fixture: dict) -> float:
    """Largest difference in what follows from log-probabilities, values and scores: rewards, returns and advantages of
    every row, and the losses of each update's first minibatch, where the policy is still the one that sampled."""
    settings, worst = fixture["recipe"]["ppo"], 0.0
    for update in range(len(fixture["batches"])):
        rows = [row for row in fixture["rows"] if row["update"] == update]
        estimates = ppo_estimates(rows, settings)
        for row, ours in zip(rows, estimates):
            for key, values in ours.items():
                worst = max(worst, float((values - torch.tensor(row[key])).abs().max()))
        first = next(entry for entry in fixture["minibatches"] if entry["update"] == update)
        chosen = [k for k, row in enumerate(rows) if row["rollout"] in first["rollouts"]]
        advantages = torch.cat([estimates[k]["advantages"] for k in chosen])
        errors = torch.cat([torch.tensor(rows[k]["values"]) - estimates[k]["returns"] for k in chosen])
        worst = max(worst, abs(-advantages.mean().item() - first["policy_loss"]),
                    abs(0.5 * errors.square().mean().item() - first["value_loss"]))
    return worst


def ppo_estimates(rows: list[dict], settings: dict) -> list[dict]:
    rewards = [token_rewards(row, settings) for row in rows]
    if settings["whiten_rewards"]:
        rewards = whiten(rewards, shift=False)
    advantages = [gae(reward, torch.tensor(row["values"]), settings) for reward, row in zip(rewards, rows)]
    tokens = [advantage[:len(row["logprobs"])] for advantage, row in zip(advantages, rows)]
    return [{"rewards": reward, "returns": advantage + torch.tensor(row["values"]), "advantages": whitened}
            for row, reward, advantage, whitened in zip(rows, rewards, advantages, whiten(tokens, shift=True))]


def token_rewards(row: dict, settings: dict) -> torch.Tensor:
    """Of each token and, where values go beyond the tokens, of the position after the end."""
    distance = torch.tensor(row["reference"]) - torch.tensor(row["logprobs"])
    kl = -distance if settings["kl_estimator"] == "k1" else distance.exp() - 1 - distance
    rewards = torch.zeros(len(row["values"]))
    rewards[:len(kl)] = -settings["kl_coef"] * kl
    rewards[-1] += row["score"]
    return rewards


def gae(rewards: torch.Tensor, values: torch.Tensor, settings: dict) -> torch.Tensor:
    advantages, following = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        next_value = values[t + 1] if t + 1 < len(values) else 0.0
        surprise = rewards[t] + settings["gamma"] * next_value - values[t]
        following = surprise + settings["gamma"] * settings["lam"] * following
        advantages[t] = following
    return advantages


def whiten(rows: list[torch.Tensor], shift: bool) -> list[torch.Tensor]:
    together = torch.cat(rows)
    mean, scale = together.mean(), torch.rsqrt(together.var() + 1e-8)
    return [(row - mean) * scale + (0.0 if shift else mean) for row in rows]
