import Testing

/// The enhanced status codes that IANA has registered, as details by subject; the class goes with each reply.
/// Source: the registry "SMTP Enhanced Status Codes" (RFC 5248), as of RFC 3463, 3886, 4468, 4865, 4954, 5321, 6531,
/// 6710, 7293, 7372, 7505, 8617 and 8689.
private let registered: [Int: ClosedRange<Int>] = [
  0: 0...0, 1: 0...10, 2: 0...4, 3: 0...6, 4: 0...7, 5: 0...6, 6: 0...10, 7: 0...30,
]

@Suite("Enhanced status codes")
struct RegisteredStatusTests {
  @Test("ESC-004: every enhanced status code that our sources write is a registered one, of its reply's class")
  func registry() throws {
    let made = #/EnhancedStatusCode\(\.(success|persistentTransient|permanent), (\d+), (\d+)\)/#
    let ruled = #/refuse\(\d{3}, (\d+), (\d+)\)/#
    let written = #/\b([245])\d\d ([245])\.(\d+)\.(\d+)\b/#
    var count = 0
    for file in try Tree.sources() {
      func check(_ subject: Substring, _ detail: Substring) {
        count += 1
        let isRegistered = Int(subject).flatMap { registered[$0] }?.contains(Int(detail) ?? -1) ?? false
        #expect(isRegistered, "X.\(subject).\(detail) in \(file.path)")
      }
      for match in file.text.matches(of: made) { check(match.output.2, match.output.3) }
      for match in file.text.matches(of: ruled) { check(match.output.1, match.output.2) }
      for match in file.text.matches(of: written) {
        check(match.output.3, match.output.4)
        #expect(match.output.1 == match.output.2, "\(match.output.0) in \(file.path)")
      }
    }
    // Else the patterns no longer find how codes are written.
    #expect(count >= 60)
  }
}
