/// One parser, or a few that read the same, and what has to hold whatever it is given.
struct FuzzTarget: Sendable {
  let name: String
  /// Octets of an input; longer ones find nothing more and cost time.
  let maximumOctets: Int
  let run: @Sendable (UnsafeRawBufferPointer) -> Void

  init(_ name: String, atMost octets: Int = 4_096, _ run: @escaping @Sendable (UnsafeRawBufferPointer) -> Void) {
    self.name = name
    maximumOctets = octets
    self.run = run
  }

  static let all: [FuzzTarget] =
    grammarTargets + messageTargets + dnsTargets + dkimTargets + spfTargets + dmarcTargets + resultTargets
}

/// Stops the process where a property doesn't hold, which the fuzzer takes for a crash and keeps the input of.
func require(
  _ condition: @autoclosure () -> Bool, _ property: @autoclosure () -> String,
  file: StaticString = #fileID, line: UInt = #line
) {
  guard condition() else { fatalError("broken property: \(property())", file: file, line: line) }
}

/// What our own constants are made of: a throw is a mistake in the target.
func made<Value>(_ make: @autoclosure () throws -> Value, file: StaticString = #fileID, line: UInt = #line) -> Value {
  do { return try make() } catch { fatalError("\(error)", file: file, line: line) }
}
