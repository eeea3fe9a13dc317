"""onnxruntime as a peer: models of one product, weights as initializers so that it packs them ahead, outputs bound."""

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from protocol import Candidate, Unsupported, pin, serve, threads

ort.set_default_logger_severity(3)
THREADS = {"count": 0}
TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16,
         np.dtype(np.int8): TensorProto.INT8, np.dtype(np.uint8): TensorProto.UINT8,
         np.dtype(np.int32): TensorProto.INT32}


def set_threads(count):
    """One pool for all sessions: a session each for every set of weights would start threads of its own."""
    if THREADS["count"] == 0:
        before = threads()
        ort.set_global_thread_pool_sizes(count, 1)
        pin(threads() - before)
    elif THREADS["count"] != count:
        raise Unsupported("the thread count of a process is fixed when it starts")
    THREADS["count"] = count


def session(nodes, inputs, initializers, output):
    """A model of `nodes`; `inputs` are arrays, `output` its (shape, dtype)."""
    graph = helper.make_graph(
        nodes, "product",
        [helper.make_tensor_value_info(name, TYPES[array.dtype], array.shape) for name, array in inputs.items()],
        [helper.make_tensor_value_info("C", TYPES[np.dtype(output[1])], output[0])],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8
    )
    options = ort.SessionOptions()
    options.use_per_session_threads = False
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def way(name, operands, nodes, inputs, initializers, dtype=np.float32):
    """A candidate from a graph with output C; the first copy of the arrays serves every session."""
    shape = (operands.M, operands.N)

    def build(copies):
        out = ort.OrtValue.ortvalue_from_shape_and_type(shape, dtype, "cpu")
        bound = {key: ort.OrtValue.ortvalue_from_numpy(array) for key, array in inputs.items()}
        runs = []
        for _ in range(copies):
            made = session(nodes, inputs, initializers, (shape, dtype))
            binding = made.io_binding()
            for key, value in bound.items():
                binding.bind_ortvalue_input(key, value)
            binding.bind_ortvalue_output("C", out)
            runs.append(lambda made=made, binding=binding: made.run_with_iobinding(binding))
        return runs, out.numpy

    return Candidate(name, build)


def activations(operands, dtype=np.float32):
    return (operands.a.astype(np.float32) / 128).astype(dtype)


def floats(operands, dtype):
    a, w = activations(operands, dtype), (operands.w.astype(np.float32) / 128).astype(dtype)
    yield way("MatMul", operands, [helper.make_node("MatMul", ["A", "B"], ["C"])], {"A": a},
              {"B": np.ascontiguousarray(w.T)}, dtype)
    yield way("Gemm", operands, [helper.make_node("Gemm", ["A", "B"], ["C"], transB=1)], {"A": a}, {"B": w}, dtype)


def plain(operands, layout):
    """Both operands are inputs: nothing can be packed ahead."""
    a, w = activations(operands), operands.w.astype(np.float32) / 128
    a = np.ascontiguousarray(a.T) if layout[0] == "t" else a
    w = w if layout[1] == "t" else np.ascontiguousarray(w.T)
    gemm = helper.make_node("Gemm", ["A", "B"], ["C"], transA=int(layout[0] == "t"), transB=int(layout[1] == "t"))
    yield way("Gemm, weights as an input", operands, [gemm], {"A": a, "B": w}, {})
    if layout == "nn":
        matmul = helper.make_node("MatMul", ["A", "B"], ["C"])
        yield way("MatMul, weights as an input", operands, [matmul], {"A": a, "B": w}, {})


def integers(operands):
    b = np.ascontiguousarray(operands.w.T)
    shifted = (operands.a.astype(np.int16) + 128).astype(np.uint8)
    unsigned = helper.make_node("MatMulInteger", ["A", "B", "zero"], ["C"])
    yield way("MatMulInteger u8 x s8", operands, [unsigned], {"A": shifted},
              {"B": b, "zero": np.array(128, np.uint8)}, np.int32)
    signed = helper.make_node("MatMulInteger", ["A", "B"], ["C"])
    yield way("MatMulInteger s8 x s8", operands, [signed], {"A": operands.a}, {"B": b}, np.int32)


def dynamic(operands):
    a, b = activations(operands), np.ascontiguousarray(operands.w.T)
    fused = helper.make_node("DynamicQuantizeMatMul", ["A", "B", "scales"], ["C"], domain="com.microsoft")
    yield way("DynamicQuantizeMatMul", operands, [fused], {"A": a}, {"B": b, "scales": operands.scales})
    apart = [
        helper.make_node("DynamicQuantizeLinear", ["A"], ["q", "step", "zero"]),
        helper.make_node("MatMulInteger", ["q", "B", "zero"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["step", "scales"], ["both"]),
        helper.make_node("Mul", ["real", "both"], ["C"]),
    ]
    yield way("DynamicQuantizeLinear + MatMulInteger", operands, apart, {"A": a}, {"B": b, "scales": operands.scales})


def weight_only(operands, bits, block, levels):
    """MatMulNBits: weights N x blocks x bytes, unsigned around the middle, a scale for each block."""
    N, K = operands.N, operands.K
    unsigned = (operands.w.astype(np.int16) + (1 << (bits - 1))).astype(np.uint8)
    if bits == 4:
        packed = unsigned[:, 0::2] | unsigned[:, 1::2] << 4
        scales = operands.scales
    else:
        packed = unsigned
        scales = np.repeat(operands.scales[:, None], K // block, axis=1)
    packed = np.ascontiguousarray(packed.reshape(N, K // block, block * bits // 8))
    for level, inside in levels:
        node = helper.make_node(
            "MatMulNBits", ["A", "B", "scales"], ["C"], domain="com.microsoft", K=K, N=N, bits=bits,
            block_size=block, accuracy_level=level,
        )
        name = f"MatMulNBits {bits} bits, blocks of {block}, accuracy_level {level} ({inside} inside)"
        yield way(name, operands, [node], {"A": activations(operands)}, {"B": packed, "scales": scales})


LEVELS = ((4, "int8"), (0, "f32"))


def candidates(operands):
    work = operands.work
    if work == "bf16":
        raise Unsupported("onnxruntime has no bf16 product on CPUs")
    if work in ("f32", "f16"):
        return list(floats(operands, np.float32 if work == "f32" else np.float16))
    if work.startswith("f32-"):
        return list(plain(operands, work[4:]))
    if work == "s8":
        return list(integers(operands))
    if work == "dynamic-s8":
        return list(dynamic(operands))
    if work == "w8":
        blocks = [block for block in (128, 32) if operands.K % block == 0]
        return [one for block in blocks for one in weight_only(operands, 8, block, LEVELS)]
    return list(weight_only(operands, 4, operands.group, LEVELS))


serve(lambda: f"onnxruntime {ort.__version__}", candidates, set_threads)
