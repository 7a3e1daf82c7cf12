"""What the benches of TRL's trainers have in common: their command line, their clock, their adapter."""

import argparse
import statistics
import time
from pathlib import Path

from peft import LoraConfig
from transformers import TrainerCallback

WARMUP_STEPS = 2


class StepClock(TrainerCallback):
    """Seconds of each optimizer step, by the clock and of all processors together; the loss that TRL logs for it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self.losses: list[float] = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.start = time.perf_counter(), time.process_time()

    def on_step_end(self, args, state, control, **kwargs):
        clock, cpu = self.start
        self.seconds.append(time.perf_counter() - clock)
        self.cpu_seconds.append(time.process_time() - cpu)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "grad_norm" in logs:
            self.losses.append(logs["loss"])

    def step_figures(self) -> dict[str, float]:
        """Medians over the steps after those of warm-up."""
        return {"step_seconds": statistics.median(self.seconds[WARMUP_STEPS:]),
                "step_cpu_seconds": statistics.median(self.cpu_seconds[WARMUP_STEPS:])}


def step_arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--precision", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--no-checkpointing", action="store_true")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    return parser


def parse_steps(parser: argparse.ArgumentParser) -> argparse.Namespace:
    arguments = parser.parse_args()
    if arguments.steps <= WARMUP_STEPS:
        parser.error(f"--steps must be more than the {WARMUP_STEPS} of warm-up")
    return arguments


def trainer_arguments(arguments: argparse.Namespace, folder: str) -> dict:
    """TRL's defaults but for these: on the CPU, in the file's order, at a constant learning rate."""
    return {"output_dir": folder, "use_cpu": True, "bf16": arguments.precision == "bf16", "report_to": "none",
            "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True, "seed": arguments.seed,
            "max_steps": arguments.steps, "gradient_checkpointing": not arguments.no_checkpointing,
            "learning_rate": arguments.lr, "lr_scheduler_type": "constant"}


def adapter_of(arguments: argparse.Namespace) -> LoraConfig:
    return LoraConfig(task_type="CAUSAL_LM", r=arguments.rank, lora_alpha=2 * arguments.rank, lora_dropout=0.0,
                      target_modules="all-linear")
