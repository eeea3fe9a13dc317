/// Stops the program, naming both, when an operand does not have `rows` x `columns` elements.
@inline(__always)
func requireElements(
    _ count: Int, rows: Int, columns: Int, _ operand: @autoclosure () -> String
) {
    precondition(rows >= 0 && columns >= 0, "\(operand()): \(rows) rows x \(columns) columns")
    let (product, overflow) = rows.multipliedReportingOverflow(by: columns)
    precondition(
        !overflow && count == product, "\(operand()) has \(count) elements, not \(rows) rows x \(columns) columns")
}

/// Stops the program, naming both, when an operand does not have as many elements as another.
@inline(__always)
func requireElements(_ count: Int, _ expected: Int, _ operand: @autoclosure () -> String) {
    precondition(count == expected, "\(operand()) has \(count) elements, not \(expected)")
}
