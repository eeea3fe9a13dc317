"""torch as a peer: every way it has of doing a product on a CPU, the fastest right one kept."""

import warnings

import numpy as np
import torch
from protocol import Candidate, serve

warnings.filterwarnings("ignore")
torch.set_grad_enabled(False)
FLOATS = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def copied(tensor, copies):
    return [tensor] + [tensor.clone() for _ in range(copies - 1)]


def way(name, x, weights, call, output=None):
    """A candidate from one call: `weights(copies)` makes the sets, `call(x, w)` runs and returns the output."""

    def build(copies):
        last = {}
        sets = weights(copies)

        def runner(w):
            def run():
                last["output"] = call(x, w)

            return run

        return [runner(w) for w in sets], lambda: last["output"].float().numpy() if output is None else output(last)

    return Candidate(name, build)


def into(function, out):
    """`function` with a preallocated output, which spares torch the page faults of fresh memory."""

    def call(x, w):
        function(x, w, out=out)
        return out

    return call


def floats(operands, dtype):
    x = (torch.from_numpy(operands.a).to(torch.float32) / 128).to(dtype)
    w = (torch.from_numpy(operands.w).to(torch.float32) / 128).to(dtype)
    M, N, batch = operands.M, operands.N, operands.M
    out = torch.empty(M, N, dtype=dtype)

    def oneDNN(copies):
        return [torch.ops.mkldnn._reorder_linear_weight(w, batch) for _ in range(copies)]

    def mkl(copies):
        return [(torch.ops.mkl._mkl_reorder_linear_weight(w, batch), w) for _ in range(copies)]

    linear = torch.nn.functional.linear
    yield way("linear", x, lambda copies: copied(w, copies), lambda x, w: linear(x, w))
    yield way("mm(out=)", x, lambda copies: [c.t() for c in copied(w, copies)], into(torch.mm, out))
    yield way(
        "mkldnn linear, packed ahead", x, oneDNN,
        lambda x, p: torch.ops.mkldnn._linear_pointwise(x, p, None, "none", [], ""),
    )
    if dtype == torch.float32:
        yield way(
            "mkl linear, packed ahead", x, mkl, lambda x, p: torch.ops.mkl._mkl_linear(x, p[0], p[1], None, batch)
        )


def plain(operands, layout):
    """Products of operands as they are: nn = A B, nt = A Bᵀ, tn = Aᵀ B."""
    x = torch.from_numpy(operands.a).to(torch.float32) / 128
    w = torch.from_numpy(operands.w).to(torch.float32) / 128
    x = x.t().contiguous().t() if layout[0] == "t" else x
    w = w if layout[1] == "t" else w.t().contiguous().t()
    out = torch.empty(operands.M, operands.N)
    yield way("mm", x, lambda copies: [c.t() for c in copied(w, copies)], torch.mm)
    yield way("mm(out=)", x, lambda copies: [c.t() for c in copied(w, copies)], into(torch.mm, out))


def integers(operands):
    x, w = torch.from_numpy(operands.a), torch.from_numpy(operands.w)
    out = torch.empty(operands.M, operands.N, dtype=torch.int32)
    exact = lambda last: last["output"].numpy()
    stored = {"K x N": lambda copies: copied(w.t().contiguous(), copies)}
    stored["N x K"] = lambda copies: [c.t() for c in copied(w, copies)]
    for name, weights in stored.items():
        yield way(f"_int_mm(out=), weights {name}", x, weights, into(torch._int_mm, out), exact)


def dynamic(operands):
    x = torch.from_numpy(operands.a).to(torch.float32) / 128
    scales = torch.from_numpy(operands.scales).double()
    zeros = torch.zeros(operands.N, dtype=torch.int64)
    real = torch.from_numpy(operands.w).to(torch.float32) * scales.float()[:, None]
    w = torch.quantize_per_channel(real, scales, zeros, 0, torch.qint8)
    for engine in ("fbgemm", "onednn", "x86"):
        if engine not in torch.backends.quantized.supported_engines:
            continue

        def packed(copies, engine=engine):
            torch.backends.quantized.engine = engine
            return [torch.ops.quantized.linear_prepack(w, None) for _ in range(copies)]

        # fbgemm's kernels without VNNI need activations of seven bits, which is what torch's own layer asks for.
        reduced = engine != "onednn"
        yield way(
            f"dynamic linear, {engine}", x, packed,
            lambda x, p, reduced=reduced: torch.ops.quantized.linear_dynamic(x, p, reduced),
        )


def weight_only_8(operands):
    """bf16 activations: with f32 or f16 ones torch 2.13 runs a scalar loop, sixty times slower."""
    x = (torch.from_numpy(operands.a).to(torch.float32) / 128).bfloat16()
    w, scales = torch.from_numpy(operands.w), torch.from_numpy(operands.scales).bfloat16()
    yield way(
        "_weight_int8pack_mm, bf16 activations", x, lambda copies: copied(w, copies),
        lambda x, w: torch.ops.aten._weight_int8pack_mm(x, w, scales),
    )


def weight_only_4(operands):
    """bf16 activations, for the same reason."""
    x = (torch.from_numpy(operands.a).to(torch.float32) / 128).bfloat16()
    unsigned = torch.from_numpy(operands.w.astype(np.int32) + 8)
    scales = torch.from_numpy(operands.scales.T.copy())
    table = torch.stack([scales, torch.zeros_like(scales)], dim=2).bfloat16().contiguous()
    yield way(
        "_weight_int4pack_mm_for_cpu, bf16 activations", x,
        lambda copies: [torch.ops.aten._convert_weight_to_int4pack_for_cpu(unsigned, 1) for _ in range(copies)],
        lambda x, p: torch.ops.aten._weight_int4pack_mm_for_cpu(x, p, operands.group, table),
    )


def compressed(operands):
    """W in compressed sparse rows: as the left operand of a product with Aᵀ, and as the layer's weights."""
    x = torch.from_numpy(operands.a).to(torch.float32) / 128
    w = (torch.from_numpy(operands.w).to(torch.float32) / 128).to_sparse_csr()
    turned = x.t().contiguous()
    outputs = lambda last: last["output"].t().numpy()
    sets = lambda copies: copied(w, copies)
    yield way("sparse_csr W Aᵀ, operands turned ahead", turned, sets, lambda x, w: w @ x, outputs)
    yield way("sparse_csr linear", x, sets, torch.nn.functional.linear)


def candidates(operands):
    work = operands.work
    if work in FLOATS:
        return list(floats(operands, FLOATS[work]))
    if work.startswith("csr-"):
        return list(compressed(operands))
    if work.startswith("f32-"):
        return list(plain(operands, work[4:]))
    return list({"s8": integers, "dynamic-s8": dynamic, "w8": weight_only_8}.get(work, weight_only_4)(operands))


serve(lambda: f"torch {torch.__version__}", candidates, torch.set_num_threads)
