"""Makes src/train/fixtures/grpo/: advantages, losses and short runs of TRL's GRPOTrainer on fixed rollouts.

    python bench/parity/make_grpo.py [--output DIRECTORY]

f32, from the adapter beside the tiny model. The trainer's own methods compute everything; only sampling and the reward
function are replaced by fixed ones. `losses.json` has many settings on one batch of three groups of four:

    {"model", "group": completions of a prompt, "max_completion_length",
     "rollouts": [{"prompt", "completion": ids, "rewards": of two reward functions, null where one gave none,
                   "logprobs": of each completion token under the policy (temperature 1),
                   "old", "reference": log-probabilities to take as those of the sampling and of the reference policy}],
     "advantages": [{"scale_rewards", "weights": of the reward functions, "advantages", "reward", "reward_std",
                     "frac_reward_zero_std"}],
     "unscored": four more rollouts, one of them without any reward, that only "advantages" has, as its last group,
     "cases": [{"loss_type", "importance_sampling_level", "beta", "use_bias_correction_kl", "epsilon", "epsilon_high",
                "scale_rewards", "temperature", "on_policy": whether "old" is left out, so that every ratio is 1,
                "loss", "grad_norm": of the adapter, without clipping, "entropy", "kl" where beta is not 0,
                "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"}]}

The other files are runs of ten steps, each batch of rollouts used twice (num_iterations 2), so that the second use is
clipped for real; the same completions come back whenever a prompt does:

    {"model", "recipe", "rows", "group", "batches": [[index of a rollout]] of each step, "rollouts": [{"prompt",
     "completion", "rewards"}], "steps": [{"loss", "grad_norm", "lr", "reward", "reward_std", "frac_reward_zero_std",
     "entropy", "kl", "clip_ratio/…", "completions/mean_length", "completions/clipped_ratio"}], "final"}

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

from make_sft import dump, load
from make_tiny import FIXTURES as MODELS
from make_tiny import digits
from trl_runs import FIXTURES, complete_recipe, run, trainer_settings, write_fixture

GROUP = 4
MAX_COMPLETION = 16
PROMPTS = ["Count to three.", "2 + 3?", "Ja oder nein: schön?", "Which of the two answers is the longer one?"]
# What was sampled for each prompt: text, whether it came to its end, rewards of two functions.
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
DEFAULTS = {"loss_type": "dapo", "importance_sampling_level": "token", "beta": 0.0, "use_bias_correction_kl": False,
            "epsilon": 0.2, "epsilon_high": 0.2, "scale_rewards": "group", "temperature": 1.0, "on_policy": False}
CASES = [
    *({"loss_type": loss, "importance_sampling_level": level, "beta": beta} for level, beta, loss in
      itertools.product(("token", "sequence"), (0.0, 0.04), ("dapo", "grpo", "dr_grpo", "bnpo"))),
    {"beta": 0.04, "use_bias_correction_kl": True},
    {"loss_type": "grpo", "importance_sampling_level": "sequence", "beta": 0.04, "use_bias_correction_kl": True},
    {"beta": 0.04, "use_bias_correction_kl": True, "on_policy": True},
    {"epsilon": 0.1, "epsilon_high": 0.28},
    {"importance_sampling_level": "sequence", "epsilon": 0.01, "epsilon_high": 0.04},
    {"scale_rewards": "batch"},
    {"loss_type": "dr_grpo", "scale_rewards": "none"},
    {"temperature": 0.7, "beta": 0.04},
    {"on_policy": True},
    {"loss_type": "grpo", "on_policy": True, "beta": 0.04},
]
RUNS = {
    "train-dapo": {"batch": 2, "grpo": {"loss_type": "dapo", "beta": 0.0, "num_iterations": 2}},
    "train-grpo-kl": {"batch": 2, "schedule": {"name": "linear", "warmup": 0.0},
                      "grpo": {"loss_type": "grpo", "beta": 0.04, "use_bias_correction_kl": False,
                               "num_iterations": 2, "epsilon_high": 0.28}},
    "train-dapo-kl-corrected": {"batch": 2, "grpo": {"loss_type": "dapo", "beta": 0.1, "use_bias_correction_kl": True,
                                                     "num_iterations": 2, "scale_rewards": "batch"}},
}


class FixedRollouts(GRPOTrainer):
    """GRPOTrainer whose completions are given: for each prompt, in order, the ids in `sampled`."""

    sampled: dict[tuple[int, ...], list[list[int]]]

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        taken = {key: itertools.cycle(completions) for key, completions in self.sampled.items()}
        return [next(taken[tuple(prompt)]) for prompt in prompt_ids], None


def rollouts_of(tokenizer, prompts: range) -> list[dict]:
    rollouts = []
    for prompt, sampled in ((PROMPTS[k], SAMPLED[k]) for k in prompts):
        ids = tokenizer.apply_chat_template(as_prompt(prompt), add_generation_prompt=True, return_dict=False)
        for text, ended, rewards in sampled:
            completion = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id] * ended
            assert len(completion) <= MAX_COMPLETION
            rollouts.append({"prompt": ids, "completion": completion, "rewards": list(rewards)})
    return rollouts


def as_prompt(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def reward_function(rollouts: list[dict], index: int):
    """The index-th reward of the rollout with these completion ids."""
    table = {tuple(rollout["completion"]): rollout["rewards"][index] for rollout in rollouts}
    assert len(table) == len(rollouts)

    def reward(completion_ids: list[list[int]], **_) -> list[float | None]:
        return [table[tuple(ids)] for ids in completion_ids]

    reward.__name__ = f"reward_{index}"
    return reward


def build(tokenizer, rollouts: list[dict], prompts: range, arguments: dict, log=None) -> FixedRollouts:
    functions = [reward_function(rollouts, index) for index in range(2)]
    trainer = FixedRollouts(
        model=load({"model": "tiny-llama", "full": False}), reward_funcs=functions, processing_class=tokenizer,
        args=GRPOConfig(**arguments, num_generations=GROUP, max_completion_length=MAX_COMPLETION),
        train_dataset=Dataset.from_list([{"prompt": as_prompt(PROMPTS[k])} for k in prompts]),
        callbacks=[] if log is None else [log])
    trainer.sampled = {}
    for rollout in rollouts:
        trainer.sampled.setdefault(tuple(rollout["prompt"]), []).append(rollout["completion"])
    return trainer


def score(tokenizer, rollouts: list[dict], prompts: range, settings: dict) -> tuple[FixedRollouts, dict]:
    """A trainer in its first step, and what it makes of the rollouts: ids, masks, advantages."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = trainer_settings(complete_recipe("grpo", {"batch": len(rollouts)}), folder)
        del arguments["max_length"]
        trainer = build(tokenizer, rollouts, prompts, {**arguments, **settings})
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    inputs = [{"prompt": as_prompt(PROMPTS[k])} for k in prompts for _ in range(GROUP)]
    return trainer, trainer._generate_and_score_completions(inputs)


def figures(trainer: GRPOTrainer, names: tuple[str, ...]) -> dict:
    logged = trainer._metrics["train"]
    return {name: digits(logged[name][-1:], 9)[0] for name in names if name in logged}


def advantages_of(tokenizer, rollouts: list[dict], prompts: range, scale: str, weights: list[float]) -> dict:
    settings = {"scale_rewards": scale, "reward_weights": weights}
    trainer, batch = score(tokenizer, rollouts, prompts, settings)
    return {"scale_rewards": scale, "weights": weights, "advantages": digits(batch["advantages"], 9),
            **figures(trainer, ("reward", "reward_std", "frac_reward_zero_std"))}


def loss_case(tokenizer, rollouts: list[dict], prompts: range, case: dict) -> dict:
    case = {**DEFAULTS, **case}
    settings = {key: value for key, value in case.items() if key != "on_policy"}
    trainer, batch = score(tokenizer, rollouts, prompts, {**settings, "reward_weights": [1.0, 0.0]})
    if not case["on_policy"]:
        batch["old_per_token_logps"] = padded(rollouts, "old")
    if case["beta"]:
        batch["ref_per_token_logps"] = padded(rollouts, "reference")
    loss = trainer._compute_loss(trainer.model, batch)
    loss.backward()
    gradients = [weight.grad for weight in trainer.model.parameters() if weight.grad is not None]
    norm = math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients))
    return {**case, "loss": digits([loss.item()], 9)[0], "grad_norm": digits([norm], 9)[0],
            **figures(trainer, METRICS[3:8])}


def padded(rollouts: list[dict], key: str) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(rollout[key]) for rollout in rollouts], batch_first=True)


def add_logprobs(tokenizer, rollouts: list[dict], prompts: range) -> None:
    """The policy's log-probabilities, and others near them, far enough off for about a third of the ratios to clip."""
    trainer, batch = score(tokenizer, rollouts, prompts, {})
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
    prompts = range(3)
    rollouts = rollouts_of(tokenizer, prompts)
    add_logprobs(tokenizer, rollouts, prompts)
    cases = [loss_case(tokenizer, rollouts, prompts, case) for case in CASES]
    # The fourth prompt has a completion that no reward function scored.
    every = range(4)
    scored = rollouts_of(tokenizer, every)
    advantages = [advantages_of(tokenizer, scored, every, scale, weights) for scale, weights in
                  itertools.product(("group", "batch", "none"), ([1.0, 0.0], [1.0, 0.5]))]
    fixture = {"model": "tiny-llama", "group": GROUP, "max_completion_length": MAX_COMPLETION, "rollouts": rollouts,
               "unscored": scored[-GROUP:], "advantages": advantages, "cases": cases}
    (output / "losses.json").write_text(dump(fixture))
    clipped = [case["clip_ratio/region_mean"] for case in cases]
    print(f"losses: {len(cases)} cases, clipped between {min(clipped):.2f} and {max(clipped):.2f}")


def make_run(tokenizer, name: str, output: Path) -> None:
    recipe = complete_recipe("grpo", RUNS[name])
    every = range(4)
    rollouts = rollouts_of(tokenizer, every)
    settings = recipe["grpo"]

    def trainer_of(arguments: dict, log) -> FixedRollouts:
        del arguments["max_length"]
        arguments["per_device_train_batch_size"] = recipe["batch"] * GROUP
        return build(tokenizer, rollouts, every, {**arguments, **settings, "shuffle_dataset": False,
                                                  "reward_weights": [1.0, 0.5]}, log)

    trainer, steps = run(recipe, 1, METRICS, trainer_of)
    per_step, iterations = recipe["batch"] * GROUP, settings["num_iterations"]
    batches = [[(step // iterations * per_step + row) % len(rollouts) for row in range(per_step)]
               for step in range(recipe["steps"])]
    head = {"model": "tiny-llama", "recipe": recipe, "rows": [{"prompt": prompt} for prompt in PROMPTS], "group": GROUP,
            "weights": [1.0, 0.5], "rollouts": rollouts, "batches": batches}
    write_fixture(output / f"{name}.json", head, steps, trainer.model)
    print(f"{name}: loss {steps[0]['loss']:.6f} -> {steps[-1]['loss']:.6f}, "
          f"clipped {steps[1]['clip_ratio/region_mean']:.3f}")


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
