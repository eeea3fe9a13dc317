"""Writes what torch says of a GPT-2: its loss and the gradient of every parameter, computed in double precision.

    reference_gradients.py DIR                       the small model of the tests (Tests/AlambicModelsTests/Fixtures)
    reference_gradients.py DIR --model gpt2-124m     the whole GPT-2, 1 GB, for `make gradients-124m`

DIR becomes a Hugging Face model directory (`config.json`, `model.safetensors`, random weights) with one file more:
`gradients.safetensors` holds `ids` and `targets` (I32, [batch, length]), `loss` (F64), and the gradients in F32 under
the names and in the layout of their parameters (matrices [inputs, outputs]). No weight is left at a special value: gains
are not 1, biases are not 0, and attention is far from uniform. One target is -1: it does not count.
"""

import argparse
import json
import os

import numpy as np
import torch
from gpt2_torch import GPT2, Sizes, stored

SHAPES = {  # sizes, batch, length: lengths that are no multiple of a tile
    "tiny": (Sizes(layers=2, width=64, heads=4, context=32, vocabulary=97), 3, 29),
    "gpt2-124m": (Sizes(layers=12, width=768, heads=12, context=1024, vocabulary=50257), 2, 77),
}
TYPES = {"float32": "F32", "float64": "F64", "int32": "I32"}


def write_safetensors(path, tensors):
    """The format: the header's length in 8 bytes, the header in JSON, padded to 8, the tensors one after another."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    # Wider elements first: every tensor is aligned.
    ordered = sorted(tensors.items(), key=lambda item: -item[1].itemsize)
    for name, values in ordered:
        end = offset + values.nbytes
        header[name] = {"dtype": TYPES[str(values.dtype)], "shape": list(values.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, values in ordered:
            file.write(np.ascontiguousarray(values).tobytes())


def randomize(model):
    """Values of the size that keeps every activation near one, all exact in f32."""
    generator = torch.Generator().manual_seed(20)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
            if name.startswith(("wte", "wpe")):
                # Logits with a deviation of two; positions half as strong as tokens.
                drawn *= 2 / parameter.shape[1] ** 0.5 * (0.5 if name.startswith("wpe") else 1)
            elif parameter.dim() == 2:
                drawn *= parameter.shape[1] ** -0.5
            else:
                drawn *= 0.1
                drawn += 1 if "ln_" in name and name.endswith("weight") else 0
            parameter.copy_(drawn)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--model", choices=SHAPES, default="tiny")
    arguments = parser.parse_args()
    sizes, batch, length = SHAPES[arguments.model]

    model = GPT2(sizes).double()
    randomize(model)
    generator = torch.Generator().manual_seed(21)
    ids = torch.randint(sizes.vocabulary, (batch, length), generator=generator)
    targets = torch.randint(sizes.vocabulary, (batch, length), generator=generator)
    targets[1, 5] = -1
    loss = model(ids, torch.where(targets < 0, -100, targets))  # torch's mark for a target that does not count
    loss.backward()

    def table(values):
        return {n: stored(n, values(p)).float().numpy() for n, p in model.named_parameters()}

    os.makedirs(arguments.directory, exist_ok=True)
    with open(os.path.join(arguments.directory, "config.json"), "w") as file:
        json.dump(sizes.configuration(), file, indent=2, sort_keys=True)
        file.write("\n")
    write_safetensors(
        os.path.join(arguments.directory, "model.safetensors"), table(lambda parameter: parameter.detach())
    )
    gradients = table(lambda parameter: parameter.grad)
    gradients |= {"ids": ids.int().numpy(), "targets": targets.int().numpy(), "loss": np.array([loss.item()])}
    write_safetensors(os.path.join(arguments.directory, "gradients.safetensors"), gradients)
    print(f"{arguments.directory}: loss {loss.item():.12f}, torch {torch.__version__}")


main()
