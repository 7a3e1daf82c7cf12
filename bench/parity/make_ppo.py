"""Makes src/train/fixtures/ppo/: what the PPOTrainer of TRL 1.12, the last that has it, does with fixed rollouts.

    python3 -m venv bench/.venv-ppo
    bench/.venv-ppo/bin/pip install -r bench/peers/requirements-ppo.txt
    bench/.venv-ppo/bin/python bench/parity/make_ppo.py [--output DIRECTORY]

Its own `train` runs, f32; sampling and the reward model are replaced by fixed responses and scores, and the trainer's
variables are read as it goes. Three updates, each over eight rollouts, so that KL and clipping are not zero:

    {"model", "recipe", "mini_batches": of each epoch, "head": the value head at step 0, one number a hidden unit,
     "rollouts": [{"prompt", "completion": ids, "score"}], "batches": [[index of a rollout]] of each update,
     "rows": [{"update", "rollout", "logprobs", "reference": of each token, "values", "rewards", "returns",
               "advantages": whitened; "score": after the penalty}]: one for each row of each update,
     "minibatches": [{"update", "epoch", "rollouts", "policy_loss", "value_loss", "loss", "policy_grad_norm",
                      "value_grad_norm", "clip_fraction", "value_clip_fraction", "approx_kl", "entropy", "ratio"}],
     "updates": [{"lr" and TRL's objective/*, loss/*, policy/* and val/* figures}],
     "final", "final_critic": {tensor: {"norm", "first"}}}

In the runs `filled-*` every response has exactly max_new_tokens tokens, its end token among them or cut; in `ended-*`
those that end are shorter, which TRL treats in a way of its own, see below. A `separate` critic has its own backbone
(SEQ_CLS: the same initial adapter and a head, both trained; in full fine-tuning all its weights), a `shared` one is a
head alone on the policy's last hidden states, whose loss also trains the adapter; value_grad_norm is then the head's.

What trl/experimental/ppo/ppo_trainer.py does, n the number of a response's tokens, its end token among them:

- V_t is read where token t is predicted: the hidden state of the token before it.
- Reward of a token is -kl_coef kl, kl = logp - ref (k1) or exp(ref - logp) - 1 - (ref - logp) (k3), of the policy that
  sampled, so it is fixed over the epochs.
- A response that ended before the batch's width has one more position, AFTER its end token (padding_mask_p1): the
  score is its reward, V its value there, and it takes part in GAE and in the value loss (`values`, `rewards` and
  `returns` then have n + 1 entries), not in the policy loss. A response that fills the width has no such position, and
  its score is added to its last token's reward: what a response gets depends on the longest beside it.
- missing_eos_penalty is subtracted from the score of a response without the end token.
- GAE runs backwards over all positions with V = 0 after the last; returns are advantages before whitening + V.
- Advantages are whitened over all tokens of the batch (not of the minibatch), the extra positions left out: minus the
  mean, times rsqrt(var + 1e-8), the variance with n - 1. (`whiten_rewards`, off, would keep the mean: shift_mean.)
- Policy loss is the mean over the minibatch's tokens of max(-A rho, -A clip(rho, 1 - cliprange, 1 + cliprange)).
- Value loss is half the mean over tokens and extra positions of max((V - R)^2, (clip(V, V0 +- cliprange_value) - R)^2),
  V0 the value at sampling and R the return.
- Loss is policy + vf_coef value. Gradients are NOT clipped. The optimizer steps once a minibatch, the learning rate's
  schedule once an update. Rows are shuffled anew each epoch: take `rollouts` of a minibatch as the order.
- Log-probabilities are those of the logits divided by temperature + 1e-7.
- clip fractions are where the clipped loss is larger, over tokens; but approx_kl (half the mean of squares), ratio and
  entropy are means over ALL positions of the minibatch, those after the end too (there 0, 1 and whatever comes).
- objective/kl is the sum over a response's tokens, averaged over rows; objective/entropy likewise, of -logp.
- With padding = end token the end would be masked with the padding: never trained, its score at its own position. Here
  the padding token is `<|endoftext|>`, which no response has.
- A PeftModel without `ref_model` has the base as its reference; here it gets the initial policy, as the design says.
"""

import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoTokenizer, PrinterCallback
from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

import make_reward
import plain_rl
from make_sft import dump, final_weights, load, make_all
from make_tiny import FIXTURES as MODELS
from make_tiny import digits
from sft_tokens import as_turns, encode_chat
from trl_runs import FIXTURES, complete_recipe, trainer_settings

BATCHES = [list(range(8)), list(range(8, 16)), list(range(8))]
PROMPTS = ["Count to three.", "2 + 3?", "Ja oder nein: schön?", "Which of the two answers is the longer one?"]
# What was sampled for each prompt, with its score; what is longer than max_new_tokens is cut.
ENDED = [
    [("1, 2, 3", 1.5), ("3, 2, 1", -0.5), ("Let me count for you: one", 0.25), ("1 2", 0.75)],
    [("5", 2.0), ("6", -1.0), ("It is 5.", 1.0), ("The sum of both is not 7", -0.25)],
    [("ja", 0.5), ("nein", -0.75), ("ja, 東京", 1.25), ("?", -1.5)],
    [("The second.", 1.0), ("Both", -0.5), ("first one", 0.0), ("I would not know which", 0.125)],
]
FILLED = [
    [("1, 2, 3", 1.5), ("3, 2, 1", -0.5), ("Let me count for you: one", 0.25), ("3 2 1 0", 0.75)],
    [("5, is it?", 2.0), ("6, 7, 8", -1.0), ("It is 5, and not 6", 1.0), ("2 + 3 =", -0.25)],
    [("ja, oder doch nicht", 0.5), ("nein, 東京", -0.75), ("ja, ja!", 1.25), ("vielleicht", -1.5)],
    [("The second, by three words", 1.0), ("B, by 3", -0.5), ("first or second", 0.0), ("I would not know", 0.125)],
]
DEFAULTS = {"temperature": 1.0, "iterations": 4, "critic": "separate", "kl_coef": 0.05, "kl_estimator": "k1",
            "cliprange": 0.2, "cliprange_value": 0.2, "vf_coef": 0.1, "gamma": 1.0, "lam": 0.95,
            "whiten_rewards": False}
SHARED = {"critic": "shared", "kl_coef": 0.2, "kl_estimator": "k3", "vf_coef": 0.5,
          "missing_eos_penalty": 1.0}
RUNS = {
    "filled-separate": {"sampled": FILLED, "lr": 1e-3, "ppo": {"max_new_tokens": 8}},
    "filled-shared": {"sampled": FILLED, "lr": 5e-4,
                      "ppo": {**SHARED, "max_new_tokens": 8, "temperature": 0.7, "whiten_rewards": True}},
    "filled-full": {"sampled": FILLED, "full": True, "lr": 5e-4,
                    "ppo": {"max_new_tokens": 8, "gamma": 0.98, "lam": 0.9, "iterations": 3}},
    "ended-separate": {"sampled": ENDED, "mini_batches": 2, "lr": 1e-3, "ppo": {"max_new_tokens": 12}},
    "ended-shared": {"sampled": ENDED, "lr": 5e-4, "ppo": {**SHARED, "max_new_tokens": 12}},
}


def trl_settings(settings: dict) -> dict:
    """The recipe's settings under TRL's names."""
    return {
        "temperature": settings["temperature"], "num_ppo_epochs": settings["iterations"],
        "kl_coef": settings["kl_coef"], "kl_estimator": settings["kl_estimator"],
        "cliprange": settings["cliprange"], "cliprange_value": settings["cliprange_value"],
        "vf_coef": settings["vf_coef"], "gamma": settings["gamma"], "lam": settings["lam"],
        "whiten_rewards": settings["whiten_rewards"], "missing_eos_penalty": settings.get("missing_eos_penalty"),
        "response_length": settings["max_new_tokens"],
    }


get_reward, masked_whiten = ppo_trainer.get_reward, ppo_trainer.masked_whiten


class SharedCritic(torch.nn.Module):
    """A value head on the policy's own hidden states."""

    base_model_prefix = "backbone"

    def __init__(self, policy, head: torch.Tensor) -> None:
        super().__init__()
        self.backbone = policy.get_base_model().model
        self.score = torch.nn.Linear(head.shape[1], 1, bias=False)
        self.score.weight.data = head.clone()


def rollouts_of(tokenizer, responses: list, length: int) -> list[dict]:
    """Column by column: eight rollouts in a row are two responses to each prompt."""
    rollouts = []
    for column in range(4):
        for prompt, sampled in zip(PROMPTS, responses, strict=True):
            text, score = sampled[column]
            ids = tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
            rollouts.append({"prompt": encode_chat(tokenizer, as_turns(prompt, "user"), True),
                             "completion": ids[:length], "score": score})
    filled = [len(rollout["completion"]) == length for rollout in rollouts]
    ended = [rollout["completion"][-1] == tokenizer.eos_token_id for rollout in rollouts]
    assert 4 <= sum(ended) <= 14 and (all(filled) or all(end != fill for end, fill in zip(ended, filled)))
    return rollouts


def pad_left(rows: list[list[int]], padding: int) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[padding] * (width - len(row)) + row for row in rows])


class Recorder:
    """Stands in for sampling and reward model, and reads the variables of PPOTrainer.train as it calls back."""

    def __init__(self, rollouts: list[dict], padding: int, length: int) -> None:
        self.rollouts, self.padding, self.length = rollouts, padding, length
        self.update = 0
        self.rows: list[dict] = []
        self.minibatches: list[dict] = []
        self.updates: list[dict] = []

    def batch(self) -> list[int]:
        return BATCHES[self.update]

    def generate(self, policy, queries, batch_size, padding, config):
        """The given responses, and the logits that would have sampled them."""
        responses = [self.rollouts[index]["completion"] for index in self.batch()]
        filled = torch.tensor([ids + [padding] * (self.length - len(ids)) for ids in responses])
        sequences = torch.cat([queries, filled], 1)
        logits = ppo_trainer.forward(policy, sequences, padding).logits[:, queries.shape[1] - 1:-1]
        return sequences, logits / config.temperature

    def score(self, model, sequences, padding, context_length):
        """The critic's values as they are; for the reward model the given scores."""
        if model is not None:
            return get_reward(model, sequences, padding, context_length)
        return None, torch.tensor([self.rollouts[index]["score"] for index in self.batch()]), None

    def whiten(self, values, mask, shift_mean=True):
        seen, whitened = sys._getframe(1).f_locals, masked_whiten(values, mask, shift_mean)
        if not shift_mean:
            return whitened
        for k, index in enumerate(self.batch()):
            tokens, positions = int((~seen["padding_mask"][k]).sum()), int((~seen["padding_mask_p1"][k]).sum())
            assert tokens == len(self.rollouts[index]["completion"])
            parts = {"logprobs": seen["logprobs"][k, :tokens], "reference": seen["ref_logprobs"][k, :tokens],
                     "values": seen["values"][k, :positions], "rewards": seen["rewards"][k, :positions],
                     "returns": seen["returns"][k, :positions], "advantages": whitened[k, :tokens]}
            self.rows.append({"update": self.update, "rollout": index, "score": float(seen["scores"][k]),
                              **{name: digits(part, 9) for name, part in parts.items()}})
        return whitened

    def backward(self, loss: torch.Tensor) -> None:
        seen = sys._getframe(1).f_locals
        loss.backward()
        model = seen["model"]
        policy = {id(weight) for weight in model.policy.parameters()}
        critic = [weight for weight in model.value_model.parameters() if id(weight) not in policy]
        self.minibatches.append({
            "update": self.update, "epoch": seen["ppo_epoch_idx"],
            "rollouts": [self.batch()[row] for row in seen["micro_batch_inds"]],
            "policy_loss": seen["pg_loss"].item(), "value_loss": seen["vf_loss"].item(), "loss": loss.item(),
            "policy_grad_norm": norm_of(model.policy.parameters()), "value_grad_norm": norm_of(critic)})

    def log(self, metrics: dict) -> None:
        seen = sys._getframe(1).f_locals
        stats = {"clip_fraction": "pg_clipfrac_stats", "value_clip_fraction": "vf_clipfrac_stats",
                 "approx_kl": "approxkl_stats", "entropy": "entropy_stats", "ratio": "ratio_stats"}
        minibatches = [entry for entry in self.minibatches if entry["update"] == self.update]
        for name, key in stats.items():
            for entry, value in zip(minibatches, seen[key].flatten().tolist(), strict=True):
                entry[name] = value
        self.updates.append({key: value for key, value in metrics.items() if "/" in key or key == "lr"})
        self.update += 1


def norm_of(weights) -> float:
    return math.sqrt(sum(float(weight.grad.double().square().sum()) for weight in weights if weight.grad is not None))


def critic_of(base: dict, recipe: dict, policy):
    scorer = make_reward.load(base)
    return SharedCritic(policy, make_reward.head_of(scorer).detach()) if recipe["ppo"]["critic"] == "shared" else scorer


def build(recipe: dict, mini_batches: int, tokenizer, recorder: Recorder, folder: str) -> PPOTrainer:
    base = {"model": "tiny-llama", "full": recipe["adapter"]["type"] == "none"}
    policy = load(base)
    arguments = trainer_settings(recipe, folder)
    for key in ("max_length", "max_steps", "train_sampling_strategy"):
        del arguments[key]
    config = PPOConfig(**arguments, **trl_settings(recipe["ppo"]), num_mini_batches=mini_batches, stop_token="eos",
                       total_episodes=sum(map(len, BATCHES)), num_sample_generations=0)
    queries = [[recorder.rollouts[index]["prompt"] for index in batch] for batch in BATCHES]
    trainer = PPOTrainer(args=config, processing_class=tokenizer, model=policy, ref_model=load(base),
                         reward_model=torch.nn.Identity(), value_model=critic_of(base, recipe, policy),
                         train_dataset=Dataset.from_list([{"input_ids": ids} for batch in queries for ids in batch]))
    trainer.remove_callback(PrinterCallback)
    trainer.dataloader = [{"input_ids": pad_left(batch, recorder.padding)} for batch in queries]
    trainer.reward_model = None
    trainer.accelerator.backward, trainer.log = recorder.backward, recorder.log
    return trainer


def make(name: str, output: Path) -> None:
    described = RUNS[name]
    settings, mini_batches = {**DEFAULTS, **described["ppo"]}, described.get("mini_batches", 1)
    given = {"batch": 8, "ppo": settings, "optimizer": {"lr": described["lr"], "max_grad_norm": 1e6}}
    recipe = {**complete_recipe("ppo", given, described.get("full", False)), "steps": len(BATCHES)}
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "tiny-llama", pad_token="<|endoftext|>", padding_side="left")
    rollouts = rollouts_of(tokenizer, described["sampled"], settings["max_new_tokens"])
    recorder = Recorder(rollouts, tokenizer.pad_token_id, settings["max_new_tokens"])
    ppo_trainer.batch_generation, ppo_trainer.get_reward = recorder.generate, recorder.score
    ppo_trainer.masked_whiten = recorder.whiten
    np.random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        trainer = build(recipe, mini_batches, tokenizer, recorder, folder)
        head = digits(make_reward.head_of(trainer.value_model).detach()[0], 9)
        trainer.train()
    critic = trainer.value_model.score if settings["critic"] == "shared" else trainer.value_model
    fixture = {"model": "tiny-llama", "recipe": recipe, "mini_batches": mini_batches, "head": head,
               "rollouts": rollouts, "batches": BATCHES, "rows": recorder.rows,
               "minibatches": rounded(recorder.minibatches), "updates": rounded(recorder.updates),
               "final": final_weights(trainer.policy_model), "final_critic": final_weights(critic)}
    (output / f"{name}.json").write_text(dump(fixture))
    kl = ", ".join(f"{update['objective/kl']:.3f}" for update in recorder.updates)
    clipped = max(entry["clip_fraction"] for entry in recorder.minibatches)
    print(f"{name}: kl {kl}; clipped up to {clipped:.2f}; plain estimates off by {plain_rl.check_ppo(fixture):.1e}")


def rounded(entries: list[dict]) -> list[dict]:
    return [{key: digits([value], 9)[0] if isinstance(value, float) else value for key, value in entry.items()}
            for entry in entries]


if __name__ == "__main__":
    make_all(__doc__.splitlines()[0], FIXTURES / "ppo", RUNS, make)
