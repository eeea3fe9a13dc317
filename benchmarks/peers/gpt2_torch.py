"""GPT-2 in torch, as `training_torch.py` trains it and `reference_gradients.py` differentiates it.

Learned positions, pre-norm blocks, tanh GELU, biases everywhere, the head tied to the token table. Parameters have the
names of Hugging Face's files; matrices are [outputs, inputs] here and [inputs, outputs] in such a file (`stored`).
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass
class Sizes:
    layers: int
    width: int
    heads: int
    context: int
    vocabulary: int
    dropout: float = 0.0

    def configuration(self):
        """The `config.json` of a Hugging Face directory."""
        rates = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), self.dropout)
        return {
            "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": self.layers, "n_embd": self.width,
            "n_head": self.heads, "n_positions": self.context, "n_ctx": self.context, "vocab_size": self.vocabulary,
            "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "initializer_range": 0.02,
            "tie_word_embeddings": True, **rates,
        }


class Attention(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.heads, self.rate = sizes.heads, sizes.dropout
        self.c_attn = nn.Linear(sizes.width, 3 * sizes.width)
        self.c_proj = nn.Linear(sizes.width, sizes.width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.c_attn(x).split(width, dim=2)
        )
        # Dropout of attention weights is left out: it would keep torch from its flash kernel, and ours has none.
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = self.c_proj(y.transpose(1, 2).reshape(batch, length, width))
        return F.dropout(y, self.rate, self.training) if self.rate else y


class FeedForward(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.rate = sizes.dropout
        self.c_fc = nn.Linear(sizes.width, 4 * sizes.width)
        self.c_proj = nn.Linear(4 * sizes.width, sizes.width)

    def forward(self, x):
        y = self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))
        return F.dropout(y, self.rate, self.training) if self.rate else y


class Block(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(sizes.width), Attention(sizes)
        self.ln_2, self.mlp = nn.LayerNorm(sizes.width), FeedForward(sizes)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT2(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.rate, self.layers = sizes.dropout, sizes.layers
        self.wte = nn.Embedding(sizes.vocabulary, sizes.width)
        self.wpe = nn.Embedding(sizes.context, sizes.width)
        self.h = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.ln_f = nn.LayerNorm(sizes.width)

    def forward(self, ids, targets):
        """The mean cross-entropy in nats per token."""
        x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
        if self.rate:
            x = F.dropout(x, self.rate, self.training)
        for block in self.h:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))

    def initialize(self):
        """GPT-2's initial weights: normal, those of the residual projections smaller by the root of their number."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith("c_proj.weight")
                nn.init.normal_(parameter, std=0.02 / (2 * self.layers) ** 0.5 if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)


def stored(name, tensor):
    """A parameter, or its gradient, as Hugging Face's files have it."""
    transposed = tensor.dim() == 2 and not name.startswith(("wte", "wpe"))
    return (tensor.t() if transposed else tensor).contiguous()
