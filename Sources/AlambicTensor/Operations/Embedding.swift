import AlambicKernels

/// y[i, :] = E[ids[i], :] + P[i mod T, :].
///
/// Backward, with g = dL/dy: dE[v, :] = sum over i with ids[i] = v of g[i, :], dP[t, :] = sum over i with
/// i mod T = t of g[i, :], both summed in increasing order of i.
struct EmbeddingOperation: Operation {
    let tokens: Tokens
    let table: ParameterID
    let positions: ParameterID
    let result: GradientSlot

    func backward(on tape: Tape) throws(KernelError) {
        guard let gradient = tape.takeGradient(of: result, Float.self) else { return }
        let (first, second) = (tape.parameters[table.index].trains, tape.parameters[positions.index].trains)
        precondition(first == second, "tokens and positions are trained together, or neither")
        guard first else { return }
        let (dTable, dPositions) = (
            try tape.accumulatingGradient(table), try tape.accumulatingGradient(positions)
        )
        tape.execution.keep(tokens)
        tape.execution.stage("embedding gradient", bytes: 12 * Double(gradient.count))
        try embeddingBackward(
            ids: tokens.ids.span, dY: gradient.span, columns: gradient.columns, into: dTable.mutableSpan,
            dPositions: dPositions.mutableSpan, length: tokens.length, on: tape.context)
    }
}

extension Tape {
    /// See ``Graph/embedding(_:table:positions:)``.
    public func embedding(
        _ tokens: Tokens, table: ParameterID, positions: ParameterID
    ) throws(KernelError) -> Variable {
        let (tableValue, positionValue) = (weights(table), weights(positions))
        precondition(
            tableValue.columns == positionValue.columns && tokens.length <= positionValue.rows,
            "table \(tableValue.shape) and positions \(positionValue.shape) for sequences of \(tokens.length)")
        let output = try floats([tokens.batch, tokens.length, tableValue.columns])
        execution.keep(tokens)
        execution.stage("embedding", bytes: 12 * Double(output.count))
        try AlambicKernels.embedding(
            ids: tokens.ids.span, table: tableValue.span, positions: positionValue.span, length: tokens.length,
            positionOffset: 0, columns: tableValue.columns, into: output.mutableSpan, on: context)
        let result = place(.f32(output))
        record(EmbeddingOperation(tokens: tokens, table: table, positions: positions, result: result.slot))
        return result
    }
}
