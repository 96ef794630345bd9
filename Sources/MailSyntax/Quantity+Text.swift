/// Reads `digits [spaces] unit`, which sizes and durations of a configuration share.
private func readQuantity(_ text: some StringProtocol) -> (number: Int64, unit: String)? {
  let digits = text.utf8.prefix { $0.isASCIIDigit }
  let unit = text.utf8.dropFirst(digits.count).drop { $0 == UInt8(ascii: " ") }
  guard (1...19).contains(digits.count), unit.count <= 5,
    let number = Int64(String(decoding: digits, as: UTF8.self))
  else { return nil }
  return (number, String(decoding: unit, as: UTF8.self))
}

extension ByteCount: CustomStringConvertible {
  private static let units: [(name: String, shift: Int)] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)]

  /// Reads `52428800`, `52428800 bytes`, `50 MiB` or `50MiB`; KiB, GiB and TiB likewise. The units are binary, and no
  /// others are read: `50 MB` means two things.
  public init(text: some StringProtocol) throws(MailSyntaxError) {
    guard let (number, unit) = readQuantity(text) else { throw .badByteCount }
    guard !unit.isEmpty, unit != "bytes" else {
      guard let bytes = Int(exactly: number) else { throw .badByteCount }
      self.init(bytes)
      return
    }
    guard let shift = ByteCount.units.first(where: { $0.name == unit })?.shift else { throw .badByteCount }
    let (product, overflow) = number.multipliedReportingOverflow(by: 1 << Int64(shift))
    guard !overflow, let bytes = Int(exactly: product) else { throw .badByteCount }
    self.init(bytes)
  }

  /// In the largest unit that gives a whole number: what `init(text:)` reads back as the same.
  public var description: String {
    for (name, shift) in ByteCount.units where bytes > 0 && bytes.isMultiple(of: 1 << shift) {
      return "\(bytes >> shift) \(name)"
    }
    return "\(bytes) bytes"
  }
}

extension Duration {
  private static let units: [(name: String, milliseconds: Int64)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
  ]

  /// Reads `500ms`, `30s`, `5m`, `4h` or `5d`; a number without a unit would be a guess.
  public init(text: some StringProtocol) throws(MailSyntaxError) {
    guard let (number, unit) = readQuantity(text),
      let milliseconds = Duration.units.first(where: { $0.name == unit })?.milliseconds
    else { throw .badDuration }
    let (product, overflow) = number.multipliedReportingOverflow(by: milliseconds)
    guard !overflow else { throw .badDuration }
    self = .milliseconds(product)
  }

  /// In the largest unit that gives a whole number, without what is finer than a millisecond: what `init(text:)` reads.
  public var shortForm: String {
    let milliseconds = nanoseconds / 1_000_000
    for (name, length) in Duration.units where milliseconds != 0 && milliseconds.isMultiple(of: length) {
      return "\(milliseconds / length)\(name)"
    }
    return "0s"
  }
}
