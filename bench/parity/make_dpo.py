"""Makes src/train/fixtures/dpo/: what TRL's DPOTrainer, CPOTrainer (SimPO) and ORPOTrainer log on the tiny models.

    python bench/parity/make_dpo.py [--output DIRECTORY] [--run NAME]

Each file is one run, f32, in the file's order (`shuffle: false`), from the adapter beside the tiny model:

    {"model": folder under src/models/fixtures, "recipe", "accumulation": micro-batches of a step, "rows",
     "tokens": [{"prompt", "chosen", "rejected"}]: ids; a side's sequence is prompt + side, the side carries loss,
     "reference": [{"chosen", "rejected"}]: the summed log-probabilities at step 0,
     "steps": [{"loss", "grad_norm", "lr", "rewards/chosen", "rewards/rejected", "rewards/margins",
                "rewards/accuracies", "logps/chosen", "logps/rejected"; ORPO: "nll_loss", "log_odds_ratio",
                "log_odds_chosen"}],
     "final": {tensor: {"norm", "first": its first four values, row by row}}}

Below, c and r are the chosen and the rejected side, s their summed log-probability under the policy, s0 that under
the reference, n the number of completion tokens, m = s/n; all figures of the log are means over the rows of a step.

DPO (trl/trainer/dpo_trainer.py). Loss is the mean over pairs of f(d), d = (s_c - s0_c) - (s_r - s0_r):
- sigmoid: -log sigmoid(beta d)
- hinge: max(0, 1 - beta d)
- ipo: (((s_c - s0_c)/n_c - (s_r - s0_r)/n_r) - 1/(2 beta))^2, each side by its own length; the paper has sums
- rewards are beta (s - s0), summed for every loss, also for ipo; accuracy is chosen > rejected, a tie counts as wrong
- the reference of a model that comes with an adapter is a frozen copy of that adapter, as in the design, and not the
  base alone; only a new adapter, whose B is zero, has the base as its reference
- accumulation takes the mean over micro-batches of equal size: the mean over the step's pairs

SimPO (trl/experimental/cpo/cpo_trainer.py, `loss_type="simpo"`, `cpo_alpha=0`). No reference:
- -log sigmoid(beta (m_c - m_r) - gamma): TRL subtracts gamma/beta inside and multiplies by beta, so `simpo_gamma` is
  the paper's gamma, not its ratio gamma/beta
- `label_smoothing` e mixes in the other side: (1 - e) of that and e of -log sigmoid(gamma - beta (m_c - m_r)).
  DPOTrainer's sigmoid has no such setting in this version.
- rewards are beta m; logps are m, not s
- cpo_alpha (1 by default, which is CPO-SimPO) would add the NLL of the chosen completions, a mean over their tokens

ORPO (trl/experimental/orpo/orpo_trainer.py). No reference; `beta` is the paper's lambda:
- nll - beta mean(log sigmoid(odds)), odds = (m_c - m_r) - (log(1 - exp m_c) - log(1 - exp m_r))
- nll is the mean cross-entropy over ALL tokens of the chosen sequences, the prompt's too (all but the first token),
  by the number of tokens in the batch and not by row: with accumulation TRL's step is a mean of micro-batches' means
- rewards are beta m; logps are m; log_odds_ratio is mean(log sigmoid(odds)), log_odds_chosen is mean(odds); nll_loss

Both older trainers append an end token where a completion does not end with one, and chat templates end turns with
a newline: their rows have a second end token, which carries loss. They also put the beginning token in front where it
is missing. Here they get the design's tokens, those of DPOTrainer; that theirs differ by the end token alone is
checked.
"""

from pathlib import Path

from datasets import Dataset
from transformers import AutoTokenizer
from trl import DPOConfig, DPOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

import plain_preference
from make_sft import load, make_all
from make_tiny import FIXTURES as MODELS
from trl_runs import FIXTURES, compare, complete_recipe, conversation, run, summed_logprob, tokenize, write_fixture

PAIRS = [
    {"prompt": "What is the code for fever?", "chosen": "R50.9 - Fever, unspecified", "rejected": "I do not know."},
    {"prompt": [{"role": "system", "content": "Codes only."}, {"role": "user", "content": "cough"}],
     "chosen": [{"role": "assistant", "content": "R05"}],
     "rejected": [{"role": "assistant", "content": "The code that you are looking for is R05, which means cough."}]},
    {"prompt": "Count to three.", "chosen": "1, 2, 3", "rejected": "3, 2, 1"},
    {"prompt": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"},
                {"role": "user", "content": "And 2 + 3?"}],
     "chosen": [{"role": "assistant", "content": "5, which is one more than what you asked before."}],
     "rejected": [{"role": "assistant", "content": "6"}]},
    {"prompt": "Ja oder nein: schön?", "chosen": "ja", "rejected": "nein, 東京"},
    {"prompt": "Write the title of E11.9", "chosen": "Type 2 diabetes mellitus without complications",
     "rejected": "Type 1 diabetes mellitus with complications of every kind"},
    {"prompt": "x", "chosen": "y", "rejected": "z"},
    {"prompt": "Which of the two answers is the longer one, and by how many words? Count them, then say it.",
     "chosen": "The second, by 3.", "rejected": "."},
    {"prompt": "Translate 'thank you' to German.", "chosen": "Danke schön", "rejected": "Merci"},
    {"prompt": "Say nothing at all.", "chosen": ".", "rejected": "I would rather say something, if you let me."},
]

SIDES = ("chosen", "rejected")
METRICS = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen",
           "logps/rejected", "nll_loss", "log_odds_ratio", "log_odds_chosen")


def description(model: str, loss: str, rows: int = 8, full: bool = False, accumulation: int = 1, beta: float = 0.1,
                more: dict | None = None, **recipe) -> dict:
    settings = {"loss": loss, "beta": beta, **(more or {})}
    return {"model": model, "rows": PAIRS[:rows], "full": full, "accumulation": accumulation,
            "recipe": complete_recipe("dpo", {**recipe, "dpo": settings}, full)}


RUNS = {
    "sigmoid-1x4": description("tiny-llama", "sigmoid"),
    "sigmoid-2x2": description("tiny-llama", "sigmoid", accumulation=2),
    "sigmoid-full": description("tiny-llama", "sigmoid", full=True, optimizer={"lr": 1e-3, "weight_decay": 0.1}),
    "sigmoid-short-batch": description("tiny-qwen3", "sigmoid", rows=10, beta=0.5,
                                       schedule={"name": "cosine", "warmup": 0.2}),
    "ipo": description("tiny-mistral", "ipo"),
    "hinge": description("tiny-qwen2", "hinge", beta=0.3, optimizer={"lr": 1e-3}),
    "simpo": description("tiny-llama", "simpo", beta=2.0, more={"simpo_gamma": 0.5}),
    "simpo-smoothed": description("tiny-qwen2", "simpo", beta=2.0, more={"simpo_gamma": 1.0, "label_smoothing": 0.1}),
    "simpo-short-batch": description("tiny-mistral", "simpo", rows=10, beta=2.5, more={"simpo_gamma": 1.4},
                                     schedule={"name": "linear", "warmup": 0.1}),
    "orpo": description("tiny-llama", "orpo"),
    "orpo-full": description("tiny-qwen2", "orpo", rows=10, full=True, beta=0.5, optimizer={"lr": 1e-3}),
}


class DesignTokens:
    """Gives an older trainer the design's tokens, after a check that its own differ by a last end token alone."""

    def tokenize_row(self, feature, model=None) -> dict:
        row = super().tokenize_row(feature, model)
        end, start = self.processing_class.eos_token_id, len(row["prompt_input_ids"])
        for side in SIDES:
            ids = row[f"{side}_input_ids"]
            if ids[-1] != end or row[f"{side}_labels"] != [-100] * start + ids[start:]:
                raise SystemExit("TRL's labels are not those that this script expects")
            for part in ("input_ids", "attention_mask", "labels"):
                row[f"{side}_{part}"] = row[f"{side}_{part}"][:-1]
        return row


class SimpoTrainer(DesignTokens, CPOTrainer):
    pass


class OddsTrainer(DesignTokens, ORPOTrainer):
    pass


def trainer_of(settings: dict):
    """TRL's trainer for a loss, and how to configure it."""
    loss, beta = settings["loss"], settings["beta"]
    if loss == "simpo":
        more = {key: value for key, value in settings.items() if key not in ("loss", "beta")}
        return SimpoTrainer, lambda arguments: CPOConfig(**arguments, loss_type="simpo", beta=beta, cpo_alpha=0.0,
                                                         **more, remove_unused_columns=False)
    if loss == "orpo":
        return OddsTrainer, lambda arguments: ORPOConfig(**arguments, beta=beta, remove_unused_columns=False)
    return DPOTrainer, lambda arguments: DPOConfig(**arguments, loss_type=[loss], beta=beta)


def check_tokens(trainer, tokens: list[dict]) -> None:
    """What the trainer holds must be the design's tokens."""
    for seen, row in zip(trainer.train_dataset, tokens, strict=True):
        if "prompt_ids" in seen:
            theirs = {key: seen[f"{key}_ids"] for key in ("prompt", *SIDES)}
        else:
            prompt = seen["prompt_input_ids"]
            theirs = {"prompt": prompt, **{side: seen[f"{side}_input_ids"][len(prompt):] for side in SIDES}}
        if theirs != row:
            raise SystemExit("TRL's tokens differ from the design's")


def make(name: str, output: Path) -> None:
    described = RUNS[name]
    recipe, rows = described["recipe"], described["rows"]
    tokenizer = AutoTokenizer.from_pretrained(MODELS / described["model"])
    tokens = [tokenize(tokenizer, row, SIDES) for row in rows]
    dataset = Dataset.from_list([conversation(row, SIDES) for row in rows])
    trainer_class, configure = trainer_of(recipe["dpo"])
    trainer, steps = run(recipe, described["accumulation"], METRICS, lambda arguments, log: trainer_class(
        model=load(described), args=configure(arguments), train_dataset=dataset, processing_class=tokenizer,
        callbacks=[log]))
    check_tokens(trainer, tokens)
    initial = load(described)
    reference = [{side: summed_logprob(initial, row["prompt"], row[side]) for side in SIDES} for row in tokens]
    check_start(recipe, steps[0], reference, tokens)
    head = {"model": described["model"], "recipe": recipe, "accumulation": described["accumulation"], "rows": rows,
            "tokens": tokens, "reference": reference}
    write_fixture(output / f"{name}.json", head, steps, trainer.model)
    plain = plain_preference.train_dpo(initial, recipe, tokens, reference)
    print(f"{name}: margin {steps[0]['rewards/margins']:.1e} -> {steps[-1]['rewards/margins']:.4f}; "
          + compare(steps, plain))


def check_start(recipe: dict, first: dict, reference: list[dict], tokens: list[dict]) -> None:
    """TRL's first log-probabilities must be the reference's (by length for the losses that average), its margin 0."""
    averaged = recipe["dpo"]["loss"] in ("simpo", "orpo")
    first_rows = list(zip(reference, tokens))[:recipe["batch"]]
    for side in SIDES:
        logps = [row[side] / (len(ids[side]) if averaged else 1) for row, ids in first_rows]
        if abs(sum(logps) / len(logps) - first[f"logps/{side}"]) > 1e-4:
            raise SystemExit(f"TRL's first log-probabilities ({side}) are not those of the initial policy")
    if not averaged and abs(first["rewards/margins"]) > 1e-5:
        raise SystemExit("TRL's reference is not the initial policy")


if __name__ == "__main__":
    make_all(__doc__.splitlines()[0], FIXTURES / "dpo", RUNS, make)
