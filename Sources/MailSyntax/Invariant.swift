/// Stops the process when our own code broke a promise. It stays on in every build; no input of a peer may reach it.
@inline(__always)
public func invariant(
  _ condition: @autoclosure () -> Bool, _ promise: @autoclosure () -> String,
  file: StaticString = #fileID, line: UInt = #line
) {
  guard condition() else { brokenInvariant(promise(), file: file, line: line) }
}

@inline(never)
private func brokenInvariant(_ promise: String, file: StaticString, line: UInt) -> Never {
  fatalError("broken invariant: \(promise)", file: file, line: line)
}
