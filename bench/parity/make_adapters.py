"""Makes what PEFT says of LoRA+, DoRA and PiSSA on the tiny models, for src/models/adapters.test.ts and src/train/:

    python bench/parity/make_adapters.py

    src/models/fixtures/dora/        a DoRA adapter of tiny-qwen2 (biases, tied head), and reference.json beside it:
                                     {"ids", "logprobs", "loss", "gradients": {tensor: {"norm", "first"}}, "merged_logits"}
    src/models/fixtures/pissa.json   {"rank", "alpha", "probed": {module: (α/r) B A x}} of a fresh PiSSA adapter of
                                     tiny-qwen3, x from −1 to 1 in equal steps
    src/train/fixtures/loraplus.json three steps of PEFT's LoRA+ optimizer from the adapter beside tiny-llama:
                                     {"ids", "lr", "ratio", "weight_decay", "losses", "final": {tensor: {"norm", "first"}}}

All in f32. A loss is the mean cross-entropy of every token after the first.
"""

import json
import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.optimizers import create_loraplus_optimizer
from transformers import AutoModelForCausalLM

from make_tiny import FIXTURES, ROOT

IDS = [[1, 40, 41, 97, 12, 200, 201, 7, 33, 90, 91, 2], [1, 5, 77, 140, 141, 9, 260, 33, 2], [1, 64, 65, 66, 120, 30, 31, 2]]
PREFIX = "base_model.model."


def base_model(name: str):
    return AutoModelForCausalLM.from_pretrained(FIXTURES / name, dtype=torch.float32, attn_implementation="eager")


def loss_of(model, ids: list[int]) -> torch.Tensor:
    tokens = torch.tensor([ids])
    return torch.nn.functional.cross_entropy(model(input_ids=tokens).logits[0, :-1], tokens[0, 1:])


def digest(tensor: torch.Tensor) -> dict:
    return {"norm": tensor.double().norm().item(), "first": tensor.flatten()[:4].tolist()}


def stored_name(name: str) -> str:
    return name.replace(".default.weight", ".weight").replace("lora_magnitude_vector.weight", "lora_magnitude_vector").removeprefix(PREFIX)


def dora() -> None:
    torch.manual_seed(5)
    output = FIXTURES / "dora"
    shutil.rmtree(output, ignore_errors=True)
    config = LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", use_dora=True, task_type="CAUSAL_LM")
    model = get_peft_model(base_model("tiny-qwen2"), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
        if "magnitude" in name:
            parameter.data *= 0.8 + 0.4 * torch.rand_like(parameter)
    ids = IDS[0]
    loss = loss_of(model, ids)
    loss.backward()
    logits = model(input_ids=torch.tensor([ids])).logits[0].detach()
    logprobs = logits.log_softmax(-1)[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    gradients = {stored_name(name): digest(p.grad) for name, p in model.named_parameters() if p.requires_grad}
    model.save_pretrained(output)
    (output / "README.md").unlink(missing_ok=True)
    settings = json.loads((output / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = None
    (output / "adapter_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    merged = PeftModel.from_pretrained(base_model("tiny-qwen2"), output).merge_and_unload()
    merged_logits = merged(input_ids=torch.tensor([ids])).logits[0, -1].detach()
    reference = {"ids": ids, "logprobs": logprobs.tolist(), "loss": loss.item(), "gradients": gradients, "merged_logits": merged_logits.tolist()}
    (output / "reference.json").write_text(json.dumps(reference) + "\n")


def pissa() -> None:
    rank, alpha = 4, 6
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", init_lora_weights="pissa", task_type="CAUSAL_LM")
    state = get_peft_model_state_dict(get_peft_model(base_model("tiny-qwen3"), config))
    probed = {}
    for name, a in state.items():
        if "lora_A" not in name:
            continue
        b = state[name.replace("lora_A", "lora_B")]
        x = torch.linspace(-1, 1, a.shape[1], dtype=torch.float64)
        probed[name.removeprefix(PREFIX).removesuffix(".lora_A.weight")] = (alpha / rank * (b.double() @ (a.double() @ x))).tolist()
    (FIXTURES / "pissa.json").write_text(json.dumps({"rank": rank, "alpha": alpha, "probed": probed}) + "\n")


def loraplus() -> None:
    lr, ratio, weight_decay = 2e-3, 16, 0.1
    model = PeftModel.from_pretrained(base_model("tiny-llama"), FIXTURES / "tiny-llama" / "adapter", is_trainable=True)
    optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=lr, loraplus_lr_ratio=ratio, loraplus_weight_decay=weight_decay)
    losses = []
    for ids in IDS:
        loss = loss_of(model, ids)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    final = {name.removeprefix(PREFIX): digest(value) for name, value in get_peft_model_state_dict(model).items()}
    out = {"ids": IDS, "lr": lr, "ratio": ratio, "weight_decay": weight_decay, "losses": losses, "final": final}
    (ROOT / "src" / "train" / "fixtures" / "loraplus.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    dora()
    pissa()
    loraplus()
