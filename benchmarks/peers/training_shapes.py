"""The models and batches of `training.py`."""

import math
from dataclasses import dataclass


@dataclass
class Shape:
    """A model, a batch of B sequences of T tokens, and how many steps a turn has."""

    model: str
    layers: int
    width: int
    heads: int
    vocabulary: int
    batch: int
    length: int
    dropout: float
    warmup: int  # uncounted steps at the start of each turn
    steps: int  # counted ones
    slow: bool = False  # too slow for llm.c, whose steps take minutes

    @property
    def text(self):
        return f"{self.model}:{self.batch}x{self.length}"

    @property
    def tokens(self):
        return self.batch * self.length

    @property
    def flops(self):
        """Of the products of a step, causal attention with the seven products that it takes without stored weights."""
        products = self.layers * 12 * self.width**2 + self.vocabulary * self.width
        attention = 7 * 2 * (self.length + 1) / 2 * self.width * self.layers
        return self.tokens * (6 * products + attention)

    def numbers(self):
        return [self.layers, self.width, self.heads, self.vocabulary, self.length, self.batch]

    def options(self):
        names = ("layers", "width", "heads", "vocabulary", "context", "batch", "dropout")
        return [word for pair in zip(names, self.numbers() + [self.dropout]) for word in (f"--{pair[0]}", str(pair[1]))]

    def fits(self, name):
        """llm.c has no dropout, and no patience is long enough for it at the larger shapes."""
        return not name.startswith("llm.c") or not (self.dropout or self.slow)

    def objection(self, steps):
        """Why these steps are not those of this model; None when they may be.

        GPT-2's initial weights give logits of variance 0.02² width, and random targets a mean loss of log V plus half
        of that. Six deviations of the mean over the batch's tokens, and 0.02 for dropout and 16-bit products, are allowed.
        """
        variance = 0.02**2 * self.width
        expected = math.log(self.vocabulary) + variance / 2
        slack = 6 * math.sqrt(variance / self.tokens) + 0.02
        if any(step["tokens"] != self.tokens for step in steps):
            return f"steps of {steps[0]['tokens']} tokens instead of {self.tokens}"
        first, last = steps[0]["loss"], steps[-1]["loss"]
        if not abs(first - expected) <= slack:
            return f"first loss {first}, expected {expected:.3f} within {slack:.3f}"
        # Random tokens cannot be learned; what trains rightly comes near log V and goes nowhere.
        if not abs(last - expected) <= slack + 0.5:
            return f"last loss {last}, expected about {math.log(self.vocabulary):.3f}"
        return None


def gpt2(length, **rest):
    return Shape("gpt2-124m", 12, 768, 12, 50257, 4, length, 0.0, **rest)


def character(model, dropout):
    return Shape(model, 6, 384, 6, 65, 64, 256, dropout, warmup=1, steps=2, slow=True)


_all = [
    Shape("nanogpt-cpu", 4, 128, 4, 65, 12, 64, 0.0, warmup=5, steps=40),
    gpt2(64, warmup=2, steps=2),
    gpt2(256, warmup=1, steps=2),
    gpt2(1024, warmup=1, steps=1, slow=True),
    character("nanogpt-char", 0.0),
    character("nanogpt-char-dropout", 0.2),
]
SHAPES = {shape.text: shape for shape in _all}
QUICK = ("nanogpt-cpu:12x64", "gpt2-124m:4x64", "gpt2-124m:4x256")


def chosen(text):
    """The shapes that an argument names; KeyError for one that is not there."""
    names = {"quick": QUICK, "all": tuple(SHAPES)}.get(text) or [name.strip() for name in text.split(",")]
    return [SHAPES[name] for name in names]
