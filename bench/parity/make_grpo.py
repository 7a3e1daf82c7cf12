"""Makes src/train/fixtures/grpo/: advantages, losses and short runs of TRL's GRPOTrainer on fixed rollouts.

    python bench/parity/make_grpo.py [--output DIRECTORY]

f32, from the adapter beside the tiny model. The trainer's own methods compute everything; only sampling and the reward
functions are replaced by fixed ones. `losses.json` has many settings on one batch of three groups of four:

    {"model", "group_size", "max_new_tokens",
     "rollouts": [{"prompt", "completion": ids, "reward", "logprobs": of each completion token under the policy at
                   temperature 1, "old", "reference": what to take as those of the sampling and of the reference}],
     "scored": sixteen rollouts with the "rewards" of two functions, null where one gave none, for "advantages",
     "advantages": [{"scale_rewards", "weights": of the two functions, "advantages", "reward", "reward_std",
                     "frac_reward_zero_std"}],
     "cases": [{"settings": of the recipe, "on_policy": whether "old" is left out, so that every ratio is 1,
                "use_bias_correction_kl", "loss", "grad_norm": of the adapter, without clipping, "entropy", "kl" where
                beta is not 0, "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"}]}

The other files are runs of ten steps, each batch of rollouts used twice (two iterations), so that the second use is
clipped for real; the same completions come back whenever a prompt does:

    {"model", "recipe", "rows", "rollouts": [{"prompt", "completion", "reward"}], "batches": [[index of a rollout]] of
     each step, "steps": [{"loss", "grad_norm", "lr", "reward", "reward_std", "frac_reward_zero_std", "entropy", "kl",
     "clip_ratio/…", "completions/mean_length", "completions/clipped_ratio"}], "final"}

`batch` of the recipe counts prompts. What trl/trainer/grpo_trainer.py does, A the advantage, rho the ratio, T the
number of completion tokens of a row, B the rows of a micro-batch:

- Rewards of several functions are summed with their weights; a function that gives None is left out of a row's sum, and
  a row without any reward is left out of mean and deviation and gets advantage 0.
- A = (R - mean of the group) / (deviation + 1e-4); the deviation has n - 1 in its divisor. `batch` divides by the
  deviation of all rewards of the batch, still minus the mean of the group; `none` does not divide.
  In equal groups A is 0 up to the rounding of the mean, which the division by 1e-4 enlarges.
- `reward` and `reward_std` are over the whole batch; frac_reward_zero_std is the fraction of ROWS in a group (with
  `batch`: in a batch) of zero deviation.
- The completion mask is every generated token, the end token with it; nothing after it.
- Token loss is -min(rho A, clip(rho, 1 - epsilon, 1 + epsilon_high) A) + beta k3, with
  k3 = exp(ref - logp) - (ref - logp) - 1. At sequence level (GSPO) rho = exp(mean over tokens of logp - old), one for
  the row, through which the gradient reaches every token; k3 stays per token.
- By default (`use_bias_correction_kl`, DeepSeek-V3.2) k3 is multiplied by rho, unclipped and WITH its gradient. That
  changes loss, gradient and the logged kl; on-policy the gradient alone. The design's plain k3 is the setting false.
- `grpo`: mean over rows of the row's mean. `bnpo`: sum / tokens of the micro-batch. `dr_grpo`: sum / (B times
  max_completion_length). `dapo`: sum / tokens of the whole generation batch, the only one that accumulation does not
  change; the other three are averaged over micro-batches.
- A row without a reward keeps its place in all of these: its tokens count in `dapo` and `bnpo`, its row in the others;
  `unscored` shows it. A row cut at the length limit, where mask_truncated_completions leaves it out, adds 0 but counts
  as a row in `grpo` and `dr_grpo`; its tokens do not count in `dapo` and `bnpo`.
- Log-probabilities are those of the logits divided by the temperature, and the entropy with them.
- Without `old` (one iteration) rho is exactly 1 and carries the gradient; the loss is then -mean A, not 0 for `dapo`
  where rows of a group differ in length.
- kl, entropy and the clip ratios are means over tokens, at sequence level the clip ratios over rows. Clipped is only
  what cannot pass a gradient: low where A < 0 and rho < 1 - epsilon, high where A > 0 and rho > 1 + epsilon_high.
- The reference of a model that comes with an adapter is a frozen copy of that adapter, as in make_dpo.py.
- Within a generation batch TRL shuffles rows before it cuts micro-batches.
"""

import argparse
import itertools
import math
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

import plain_rl
from make_sft import dump, load
from make_tiny import FIXTURES as MODELS
from make_tiny import digits
from sft_tokens import as_turns, encode_chat
from trl_runs import FIXTURES, complete_recipe, run, trainer_settings, write_fixture

GROUP = 4
MAX_COMPLETION = 16
PROMPTS = ["Count to three.", "2 + 3?", "Ja oder nein: schön?", "Which of the two answers is the longer one?"]
# What was sampled for each prompt: text, whether it came to its end, what two reward functions gave.
SAMPLED = [
    [("1, 2, 3", True, (1.0, 0.25)), ("3, 2, 1", True, (0.0, 0.5)), ("1 2", True, (0.5, 0.0)),
     ("one, two, three", False, (0.75, 1.0))],
    [("5", True, (1.0, 0.5)), ("6", True, (0.0, 0.0)), ("It is 5.", True, (1.0, 0.25)), ("2 + 3", False, (0.0, None))],
    [("ja", True, (0.3, 0.5)), ("nein", True, (0.3, 0.5)), ("ja, 東京", False, (0.3, 0.5)), ("?", True, (0.3, 0.5))],
    [("The second.", True, (0.2, 1.0)), ("Both", True, (None, None)), ("the first one", True, (0.9, 0.0)),
     ("3", True, (0.4, 0.5))],
]
METRICS = ("reward", "reward_std", "frac_reward_zero_std", "kl", "entropy", "clip_ratio/low_mean",
           "clip_ratio/high_mean", "clip_ratio/region_mean", "completions/mean_length", "completions/clipped_ratio")
# Settings of the recipe under TRL's names.
NAMES = {"loss": "loss_type", "ratio": "importance_sampling_level", "iterations": "num_iterations",
         "group_size": "num_generations", "max_new_tokens": "max_completion_length",
         "mask_truncated": "mask_truncated_completions"}
SETTINGS = {"group_size": GROUP, "max_new_tokens": MAX_COMPLETION, "loss": "dapo", "ratio": "token", "beta": 0.0,
            "epsilon": 0.2, "epsilon_high": 0.2, "scale_rewards": "group", "temperature": 1.0, "mask_truncated": False}
LOSSES = ("dapo", "grpo", "dr_grpo", "bnpo")
CASES = [
    *({"loss": loss, "ratio": ratio, "beta": beta} for ratio, beta, loss in
      itertools.product(("token", "sequence"), (0.0, 0.04), LOSSES)),
    *({"loss": loss, "mask_truncated": True} for loss in LOSSES),
    {"epsilon": 0.1, "epsilon_high": 0.28},
    {"ratio": "sequence", "epsilon": 0.01, "epsilon_high": 0.04},
    {"scale_rewards": "batch"},
    {"loss": "dr_grpo", "scale_rewards": "none"},
    {"temperature": 0.7, "beta": 0.04},
    {"on_policy": True},
    {"loss": "grpo", "on_policy": True, "beta": 0.04},
    {"beta": 0.04, "use_bias_correction_kl": True},
    {"loss": "grpo", "ratio": "sequence", "beta": 0.04, "use_bias_correction_kl": True},
    {"beta": 0.04, "use_bias_correction_kl": True, "on_policy": True},
]
RUNS = {
    "dapo": {},
    "grpo-kl": {"schedule": {"name": "linear", "warmup": 0.0},
                "grpo": {"loss": "grpo", "beta": 0.04, "epsilon_high": 0.28}},
    "dapo-kl-batch": {"grpo": {"beta": 0.1, "scale_rewards": "batch", "temperature": 0.8}},
    "dr-grpo-sequence": {"grpo": {"loss": "dr_grpo", "ratio": "sequence", "scale_rewards": "none", "epsilon": 0.05,
                                  "epsilon_high": 0.05}},
    "unscored": {"unscored": True, "grpo": {"loss": "dapo"}},
}


class FixedRollouts(GRPOTrainer):
    """GRPOTrainer whose completions are given: for each prompt, in order, the ids in `sampled`."""

    sampled: dict[tuple[int, ...], list[list[int]]]

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        taken = {key: itertools.cycle(completions) for key, completions in self.sampled.items()}
        return [next(taken[tuple(prompt)]) for prompt in prompt_ids], None


def rollouts_of(tokenizer) -> list[dict]:
    """Group after group, with the rewards of both functions."""
    rollouts = []
    for prompt, sampled in zip(PROMPTS, SAMPLED, strict=True):
        ids = encode_chat(tokenizer, as_turns(prompt, "user"), True)
        for text, ended, rewards in sampled:
            completion = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id] * ended
            assert len(completion) <= MAX_COMPLETION
            rollouts.append({"prompt": ids, "completion": completion, "rewards": rewards})
    return rollouts


def with_one_reward(rollouts: list[dict], unscored: bool = True) -> list[dict]:
    """With the first function's reward alone; a missing one is 0.6 unless `unscored`."""
    for prompt, completion, (reward, _) in (rollout.values() for rollout in rollouts):
        yield {"prompt": prompt, "completion": completion, "reward": 0.6 if reward is None and not unscored else reward}


def rewards_of(rollout: dict) -> tuple[float | None, ...]:
    return rollout["rewards"] if "rewards" in rollout else (rollout["reward"],)


def reward_function(rollouts: list[dict], index: int):
    """The index-th reward of the rollout with these completion ids."""
    table = {tuple(rollout["completion"]): rewards_of(rollout)[index] for rollout in rollouts}
    assert len(table) == len(rollouts)

    def reward(completion_ids: list[list[int]], **_) -> list[float | None]:
        return [table[tuple(ids)] for ids in completion_ids]

    reward.__name__ = f"reward_{index}"
    return reward


def build(tokenizer, rollouts: list[dict], arguments: dict, settings: dict, callbacks: list) -> FixedRollouts:
    """The trainer for rollouts, its micro-batch all of them unless the arguments say otherwise."""
    prompts = PROMPTS[:len(rollouts) // GROUP]
    del arguments["max_length"]
    config = GRPOConfig(**arguments, shuffle_dataset=False, **{NAMES.get(key, key): settings[key] for key in settings})
    trainer = FixedRollouts(
        model=load({"model": "tiny-llama", "full": False}), args=config, processing_class=tokenizer,
        reward_funcs=[reward_function(rollouts, index) for index in range(len(rewards_of(rollouts[0])))],
        train_dataset=Dataset.from_list([{"prompt": as_turns(prompt, "user")} for prompt in prompts]),
        callbacks=callbacks)
    trainer.sampled = {}
    for rollout in rollouts:
        trainer.sampled.setdefault(tuple(rollout["prompt"]), []).append(rollout["completion"])
    return trainer


def score(tokenizer, rollouts: list[dict], settings: dict) -> tuple[FixedRollouts, dict]:
    """A trainer in its first step, and what it makes of the rollouts: ids, masks, advantages."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = trainer_settings(complete_recipe("grpo", {"batch": len(rollouts)}), folder)
        trainer = build(tokenizer, rollouts, arguments, {**SETTINGS, **settings}, [])
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    prompts = PROMPTS[:len(rollouts) // GROUP]
    return trainer, trainer._generate_and_score_completions(
        [{"prompt": as_turns(prompt, "user")} for prompt in prompts for _ in range(GROUP)])


def figures(trainer: GRPOTrainer, names: tuple[str, ...]) -> dict:
    logged = trainer._metrics["train"]
    return {name: digits(logged[name][-1:], 9)[0] for name in names if name in logged}


def advantages_of(tokenizer, rollouts: list[dict], scale: str, weights: list[float]) -> dict:
    trainer, batch = score(tokenizer, rollouts, {"scale_rewards": scale, "reward_weights": weights})
    return {"scale_rewards": scale, "weights": weights, "advantages": digits(batch["advantages"], 9),
            **figures(trainer, METRICS[:3])}


def loss_case(tokenizer, rollouts: list[dict], case: dict) -> dict:
    modes = {key: case.get(key, False) for key in ("on_policy", "use_bias_correction_kl")}
    settings = {**SETTINGS, **{key: value for key, value in case.items() if key in SETTINGS}}
    trainer, batch = score(tokenizer, rollouts, {**settings, "use_bias_correction_kl": modes["use_bias_correction_kl"]})
    if not modes["on_policy"]:
        batch["old_per_token_logps"] = padded(rollouts, "old")
    if settings["beta"]:
        batch["ref_per_token_logps"] = padded(rollouts, "reference")
    loss = trainer._compute_loss(trainer.model, batch)
    loss.backward()
    gradients = [weight.grad for weight in trainer.model.parameters() if weight.grad is not None]
    norm = math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients))
    return {"settings": settings, **modes, "loss": digits([loss.item()], 9)[0], "grad_norm": digits([norm], 9)[0],
            **figures(trainer, METRICS[3:8])}


def padded(rollouts: list[dict], key: str) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(rollout[key]) for rollout in rollouts], batch_first=True)


def add_logprobs(tokenizer, rollouts: list[dict]) -> None:
    """The policy's log-probabilities, and others near them, far enough off for about a third of the ratios to clip."""
    trainer, batch = score(tokenizer, rollouts, {})
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
    length = batch["completion_ids"].size(1)
    with torch.no_grad():
        logprobs_BT = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, length)[0]
    generator = torch.Generator().manual_seed(9)
    for rollout, row in zip(rollouts, logprobs_BT):
        logprobs = row[:len(rollout["completion"])]
        rollout["logprobs"] = digits(logprobs, 9)
        for key, spread in (("old", 0.25), ("reference", 0.5)):
            noise = spread * torch.randn(logprobs.shape, generator=generator)
            rollout[key] = digits((logprobs + noise).clamp(max=-0.01), 6)


def make_losses(tokenizer, output: Path) -> None:
    scored = rollouts_of(tokenizer)
    rollouts = list(with_one_reward(scored[:-GROUP]))
    add_logprobs(tokenizer, rollouts)
    cases = [loss_case(tokenizer, rollouts, case) for case in CASES]
    advantages = [advantages_of(tokenizer, scored, scale, weights) for scale, weights in
                  itertools.product(("group", "batch", "none"), ([1.0, 0.0], [1.0, 0.5]))]
    (output / "losses.json").write_text(dump({
        "model": "tiny-llama", "group_size": GROUP, "max_new_tokens": MAX_COMPLETION, "rollouts": rollouts,
        "scored": scored, "advantages": advantages, "cases": cases}))
    clipped = [case["clip_ratio/region_mean"] for case in cases]
    print(f"losses: {len(cases)} cases, clipped between {min(clipped):.2f} and {max(clipped):.2f}; "
          f"plain loss off by {plain_rl.check_grpo(rollouts, advantages[0]['advantages'], cases):.1e}")


def make_run(tokenizer, name: str, output: Path) -> None:
    described = RUNS[name]
    settings = {**SETTINGS, "iterations": 2, **described.get("grpo", {})}
    recipe = complete_recipe("grpo", {"batch": 2, "grpo": settings,
                                      **({"schedule": described["schedule"]} if "schedule" in described else {})})
    rollouts = list(with_one_reward(rollouts_of(tokenizer), described.get("unscored", False)))
    per_step = recipe["batch"] * GROUP
    trainer, steps = run(recipe, 1, METRICS, lambda arguments, log: build(
        tokenizer, rollouts, {**arguments, "per_device_train_batch_size": per_step},
        {**settings, "use_bias_correction_kl": False}, [log]))
    batches = [[(step // settings["iterations"] * per_step + row) % len(rollouts) for row in range(per_step)]
               for step in range(recipe["steps"])]
    head = {"model": "tiny-llama", "recipe": recipe, "rows": [{"prompt": prompt} for prompt in PROMPTS],
            "rollouts": rollouts, "batches": batches}
    write_fixture(output / f"{name}.json", head, steps, trainer.model)
    print(f"{name}: loss {steps[0]['loss']:.6f} -> {steps[-1]['loss']:.6f}, clipped "
          + " ".join(f"{step['clip_ratio/region_mean']:.2f}" for step in steps[1::2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FIXTURES / "grpo")
    torch.set_num_threads(1)
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "tiny-llama")
    make_losses(tokenizer, output)
    for name in RUNS:
        make_run(tokenizer, name, output)


if __name__ == "__main__":
    main()
