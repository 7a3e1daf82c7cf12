"""What transformers and PEFT make of directories that posttrain wrote, or that it read.

    python bench/parity/score.py --model DIR [--adapter DIR] [--new-tokens N] < rows.jsonl

Each line of the input is `{"ids": […]}` or `{"prompt": one user turn}`, each line of the output

    {"ids", "logprobs": entry i is that of ids[i + 1], "greedy": what follows `ids`, N tokens at most}

in f32. `--adapter` is loaded by PEFT beside the model; a merged directory is a `--model`.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


@torch.no_grad()
def logprobs_of(model, ids: list[int]) -> list[float]:
    logprobs_TV = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return [float(logprobs_TV[i, ids[i + 1]]) for i in range(len(ids) - 1)]


@torch.no_grad()
def greedy(model, ids: list[int], end_ids: list[int], limit: int) -> list[int]:
    new, feed, cache = [], ids, None
    while len(new) < limit and not (new and new[-1] in end_ids):
        output = model(torch.tensor([feed]), past_key_values=cache, use_cache=True)
        new.append(int(output.logits[0, -1].argmax()))
        feed, cache = new[-1:], output.past_key_values
    return new


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--new-tokens", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32)
    end_ids = model.generation_config.eos_token_id
    end_ids = end_ids if isinstance(end_ids, list) else [end_ids]
    if arguments.adapter is not None:
        model = PeftModel.from_pretrained(model, arguments.adapter)
    model.eval()
    for line in sys.stdin:
        row = json.loads(line)
        ids = row.get("ids") or tokenizer.apply_chat_template(
            [{"role": "user", "content": row["prompt"]}], add_generation_prompt=True, return_dict=False)
        print(json.dumps({"ids": ids, "logprobs": logprobs_of(model, ids),
                          "greedy": greedy(model, ids, end_ids, arguments.new_tokens)}))


if __name__ == "__main__":
    main()
