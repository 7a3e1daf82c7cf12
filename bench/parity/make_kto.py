"""Makes src/train/fixtures/kto/: what TRL's KTOTrainer logs and leaves behind on the tiny models.

    python bench/parity/make_kto.py [--output DIRECTORY] [--run NAME]

Each file is one run, f32, in the file's order, from the adapter beside the tiny model:

    {"model": folder under src/models/fixtures, "recipe", "rows",
     "tokens": [{"prompt", "completion"}]: ids; the completion carries loss,
     "reference": [{"completion", "rotated"}]: the summed log-probabilities at step 0, of the row's completion and of
                  its neighbour's,
     "steps": [{"loss", "grad_norm", "lr", "kl", "rewards/chosen", "rewards/rejected", "rewards/margins",
                "logps/chosen", "logps/rejected"}]: what concerns a class is absent where the step has none of it,
     "final": {tensor: {"norm", "first": its first four values, row by row}}}

What trl/trainer/kto_trainer.py does, with s and s0 the summed log-probabilities under policy and reference:

- z = max(0, mean over the batch of s(y'|x) - s0(y'|x)), without gradient; the mean is clamped, not each row.
- y' are the completions rotated by one: row i has that of row i - 1, the first row the last's. TRL rotates in the
  data set, in pieces of the (micro-)batch size in the file's order, before training; so the order must be sequential, a
  short last batch rotates within itself, and a batch of one row is compared with its own completion.
- loss is the mean over all rows of w_D (1 - sigmoid(beta (s - s0 - z))) and w_U (1 - sigmoid(beta (z - s + s0))): it
  is divided by the number of rows, not by the sum of the weights, and one class alone is no special case.
- `kl` is z, in nats and without beta. Rewards are beta (s - s0) without z; the margin is the difference of the
  two classes' means.
- Under accumulation (not shown here) TRL has one z for each micro-batch; the design has one for the step.
- The reference of a model that comes with an adapter is a frozen copy of that adapter, as in make_dpo.py.
"""

from pathlib import Path

from datasets import Dataset
from transformers import AutoTokenizer
from trl import KTOConfig, KTOTrainer

import plain_preference
from make_dpo import PAIRS
from make_sft import load, make_all
from make_tiny import FIXTURES as MODELS
from trl_runs import FIXTURES, compare, complete_recipe, conversation, run, summed_logprob, tokenize, write_fixture

METRICS = ("kl", "rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected")
SIDES = ("completion",)


def rows_of(labels: str) -> list[dict]:
    """A row for each letter, of PAIRS in turn: `+` takes what was chosen, `-` what was rejected."""
    sides = {"+": "chosen", "-": "rejected"}
    return [{"prompt": pair["prompt"], "completion": pair[sides[label]], "label": label == "+"}
            for pair, label in zip(PAIRS, labels, strict=False)]


def description(model: str, labels: str, full: bool = False, beta: float = 0.1,
                weights: tuple[float, float] = (1.0, 1.0), **recipe) -> dict:
    settings = {"beta": beta, "desirable_weight": weights[0], "undesirable_weight": weights[1]}
    return {"model": model, "rows": rows_of(labels), "full": full,
            "recipe": complete_recipe("kto", {**recipe, "kto": settings}, full)}


RUNS = {
    "batch-4": description("tiny-llama", "+-+--+-+"),
    "batch-6": description("tiny-qwen3", "++-+-++-+-", batch=6, beta=0.3, weights=(1.0, 1.5),
                           schedule={"name": "cosine", "warmup": 0.2}),
    "one-class": description("tiny-mistral", "++++--+-", weights=(0.8, 1.0)),
    "full": description("tiny-qwen2", "+---++--", full=True, optimizer={"lr": 1e-3}),
}


def rotate(tokens: list[dict], batch: int) -> list[list[int]]:
    """For each row the completion of the one before it in its batch, for the first row the last's."""
    starts = range(0, len(tokens), batch)
    batches = [[row["completion"] for row in tokens[start:start + batch]] for start in starts]
    return [completion for rows in batches for completion in rows[-1:] + rows[:-1]]


def check_tokens(trainer: KTOTrainer, tokens: list[dict], rotated: list[list[int]]) -> None:
    for seen, row, other in zip(trainer.train_dataset, tokens, rotated, strict=True):
        if (seen["prompt_ids"], seen["completion_ids"], seen["KL_completion_ids"]) != (*row.values(), other):
            raise SystemExit("TRL's tokens differ from the design's")


def make(name: str, output: Path) -> None:
    described = RUNS[name]
    recipe, rows = described["recipe"], described["rows"]
    tokenizer = AutoTokenizer.from_pretrained(MODELS / described["model"])
    tokens = [tokenize(tokenizer, row, SIDES) for row in rows]
    rotated = rotate(tokens, recipe["batch"])
    dataset = Dataset.from_list([conversation(row, SIDES) for row in rows])
    trainer, steps = run(recipe, 1, METRICS, lambda arguments, log: KTOTrainer(
        model=load(described), args=KTOConfig(**arguments, **recipe["kto"]), train_dataset=dataset,
        processing_class=tokenizer, callbacks=[log]))
    check_tokens(trainer, tokens, rotated)
    initial = load(described)
    reference = [{"completion": summed_logprob(initial, row["prompt"], row["completion"]),
                  "rotated": summed_logprob(initial, row["prompt"], other)} for row, other in zip(tokens, rotated)]
    head = {"model": described["model"], "recipe": recipe, "rows": rows, "tokens": tokens, "reference": reference}
    write_fixture(output / f"{name}.json", head, steps, trainer.model)
    plain = plain_preference.train_kto(initial, recipe, rows, tokens, reference)
    print(f"{name}: kl " + " ".join(f"{step['kl']:.2f}" for step in steps) + "; " + compare(steps, plain))


if __name__ == "__main__":
    make_all(__doc__.splitlines()[0], FIXTURES / "kto", RUNS, make)
