"""torch as a peer of whole training steps: prints one line of JSON for each step. `training.py` runs it."""

import argparse
import json
import time
import warnings

import torch
from gpt2_torch import GPT2, Sizes

warnings.filterwarnings("ignore")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("layers", "width", "heads", "vocabulary", "context", "batch", "steps", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32", help="bf16: autocast, weights in f32")
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


def groups(model):
    """Weight decay on matrices alone, as everybody trains GPT-2."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.dim() == 2], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.dim() != 2], "weight_decay": 0.0},
    ]


def main():
    arguments = read_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    model = GPT2(
        Sizes(
            arguments.layers, arguments.width, arguments.heads, arguments.context, arguments.vocabulary,
            arguments.dropout,
        )
    )
    model.initialize()
    optimizer = torch.optim.AdamW(groups(model), lr=6e-4, betas=(0.9, 0.95), fused=True)
    loss_of = torch.compile(model) if arguments.compile else model
    shape = (arguments.batch, arguments.context)
    for step in range(1, arguments.steps + 1):
        ids = torch.randint(arguments.vocabulary, shape)
        targets = torch.randint(arguments.vocabulary, shape)
        before = time.perf_counter_ns()
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.dtype == "bf16"):
            loss = loss_of(ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        spent = time.perf_counter_ns() - before
        print(json.dumps({"step": step, "ns": spent, "tokens": ids.numel(), "loss": value}), flush=True)


main()
