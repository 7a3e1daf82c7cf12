"""LoRA GRPO by TRL, as a peer of `posttrain train` with `method: grpo`.

    python bench/peers/trl_grpo.py --model DIR --data prompts.jsonl [--precision bf16|f32] [--no-checkpointing]
        [--group 8] [--new-tokens 64] [--steps 10] [--rank 8] [--lr 1e-5] [--seed 0] [--threads 2]

A step is one group: a prompt's completions, every one of the full length. Everything not named here is TRL's default:
f32 weights under bf16 autocast, gradient checkpointing on, no KL term, completions by transformers' `generate`. The
reward costs nothing: a completion's length in characters.

Prints one JSON line: medians over the steps after two of warm-up, and the peak of resident memory.
"""

import contextlib
import sys
import tempfile

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from measure import peak_megabytes, read_jsonl, report
from trl_steps import StepClock, adapter_of, parse_steps, step_arguments, trainer_arguments


def length_reward(completions, **kwargs) -> list[float]:
    """1 from 400 characters on, below in proportion: the `length` grader of bench/grpo.ts."""
    return [min(1.0, len(completion[0]["content"]) / 400) for completion in completions]


def main() -> None:
    parser = step_arguments(__doc__.splitlines()[0])
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--new-tokens", type=int, default=64)
    arguments = parse_steps(parser)
    torch.set_num_threads(arguments.threads)
    clock = StepClock()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        config = GRPOConfig(**trainer_arguments(arguments, folder), per_device_train_batch_size=arguments.group,
                            num_generations=arguments.group, max_completion_length=arguments.new_tokens,
                            generation_kwargs={"min_new_tokens": arguments.new_tokens}, shuffle_dataset=False)
        trainer = GRPOTrainer(model=str(arguments.model), reward_funcs=length_reward, args=config,
                              train_dataset=Dataset.from_list(read_jsonl(arguments.data)),
                              processing_class=AutoTokenizer.from_pretrained(arguments.model),
                              peft_config=adapter_of(arguments), callbacks=[clock])
        trainer.train()
    figures = clock.step_figures()
    report(peer="trl", method="grpo", precision=arguments.precision, checkpointing=not arguments.no_checkpointing,
           steps=arguments.steps, **figures,
           completion_tokens_per_second=arguments.group * arguments.new_tokens / figures["step_seconds"],
           peak_mb=peak_megabytes(), rewards=[round(log["reward"], 4) for log in trainer.state.log_history if "reward" in log],
           completion_length=[log["completions/mean_length"] for log in trainer.state.log_history if "reward" in log][-1])


if __name__ == "__main__":
    main()
