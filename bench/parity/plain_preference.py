"""DPO and its kin, KTO and reward models as plain PyTorch, written from the design and not from TRL: the check that
the docstrings of make_dpo.py, make_kto.py and make_reward.py are exact. Each row runs by itself, without padding."""

from collections.abc import Callable

import torch
from torch.nn.functional import logsigmoid

from plain_sft import descend, logprobs_of


def train(model, recipe: dict, rows: list, loss_of_rows: Callable[[list], torch.Tensor]) -> list[dict]:
    """Loss, gradient norm and learning rate of each step, the last batch of an epoch short where rows run out."""
    starts = range(0, len(rows), recipe["batch"])
    batches = [rows[start:start + recipe["batch"]] for start in starts]
    return descend(model, recipe, recipe["steps"], lambda step: loss_of_rows(batches[step % len(batches)]))


def completion_logprobs(model, prompt: list[int], completion: list[int]) -> torch.Tensor:
    return logprobs_of(model, prompt + completion)[len(prompt) - 1:]


def train_dpo(model, recipe: dict, tokens: list[dict], reference: list[dict]) -> list[dict]:
    settings = recipe["dpo"]

    def loss_of(rows: list) -> torch.Tensor:
        sides = [[completion_logprobs(model, pair["prompt"], pair[side]) for side in ("chosen", "rejected")]
                 for pair, _ in rows]
        if settings["loss"] == "orpo":
            return orpo_loss([logprobs_of(model, pair["prompt"] + pair["chosen"]) for pair, _ in rows], sides, settings)
        losses = [pair_loss(chosen, rejected, known, settings)
                  for (chosen, rejected), (_, known) in zip(sides, rows)]
        return torch.stack(losses).mean()

    return train(model, recipe, list(zip(tokens, reference)), loss_of)


def pair_loss(chosen: torch.Tensor, rejected: torch.Tensor, reference: dict, settings: dict) -> torch.Tensor:
    """Of one pair, from the log-probabilities of its tokens."""
    beta = settings["beta"]
    if settings["loss"] == "simpo":
        logit = beta * (chosen.mean() - rejected.mean()) - settings["simpo_gamma"]
        smoothing = settings.get("label_smoothing", 0.0)
        return -(1 - smoothing) * logsigmoid(logit) - smoothing * logsigmoid(-logit)
    gain_chosen, gain_rejected = chosen.sum() - reference["chosen"], rejected.sum() - reference["rejected"]
    if settings["loss"] == "ipo":
        return (gain_chosen / len(chosen) - gain_rejected / len(rejected) - 1 / (2 * beta)) ** 2
    margin = beta * (gain_chosen - gain_rejected)
    return torch.relu(1 - margin) if settings["loss"] == "hinge" else -logsigmoid(margin)


def orpo_loss(sequences: list[torch.Tensor], sides: list[list[torch.Tensor]], settings: dict) -> torch.Tensor:
    """Cross-entropy over all tokens of the chosen sequences, the prompt's too, and the odds ratio of the means."""
    log_odds = [side.mean() - torch.log1p(-side.mean().exp()) for pair in sides for side in pair]
    odds = torch.stack([chosen - rejected for chosen, rejected in zip(log_odds[::2], log_odds[1::2])])
    return -torch.cat(sequences).mean() - settings["beta"] * logsigmoid(odds).mean()


def train_kto(model, recipe: dict, rows: list[dict], tokens: list[dict], reference: list[dict]) -> list[dict]:
    settings = recipe["kto"]

    def loss_of(batch: list) -> torch.Tensor:
        gains = torch.stack([completion_logprobs(model, ids["prompt"], ids["completion"]).sum() - known["completion"]
                             for _, ids, known in batch])
        with torch.no_grad():
            others = [batch[k - 1][1]["completion"] for k in range(len(batch))]
            drifts = [completion_logprobs(model, ids["prompt"], other).sum() - known["rotated"]
                      for (_, ids, known), other in zip(batch, others)]
            z = torch.stack(drifts).mean().clamp(min=0)
        desirable = torch.tensor([row["label"] for row, _, _ in batch])
        signs = torch.where(desirable, 1.0, -1.0)
        weights = torch.where(desirable, settings["desirable_weight"], settings["undesirable_weight"])
        return (weights * (1 - torch.sigmoid(settings["beta"] * signs * (gains - z)))).mean()

    return train(model, recipe, list(zip(rows, tokens, reference)), loss_of)


def train_reward(model, recipe: dict, rows: list[dict], tokens: list[dict]) -> list[dict]:
    centering = recipe["reward"].get("center_rewards_coefficient", 0.0)

    def loss_of(batch: list) -> torch.Tensor:
        scores = torch.stack([torch.stack([model(torch.tensor([ids["prompt"] + ids[side]])).logits[0, 0]
                                           for side in ("chosen", "rejected")]) for _, ids in batch])
        margins = torch.tensor([row.get("margin", 0.0) for row, _ in batch])
        losses = -logsigmoid(scores[:, 0] - scores[:, 1] - margins) + centering * scores.sum(1) ** 2
        return losses.mean()

    return train(model, recipe, list(zip(rows, tokens)), loss_of)
