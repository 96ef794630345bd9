public import MailSyntax

/// RDATA that is not what its type says.
public struct ResourceDataFault: Error, Hashable, Sendable {
  /// As an operator reads it: "an MX record of 2 octets".
  public let reason: String
}

/// Reads RDATA, for those who make a `Resolver`: what a peer has written, so nothing in it is taken on trust. Names come
/// without compression. Pure.
public enum ResourceData {
  /// RFC 1035 §3.4.1 and RFC 3596 §2.2.
  public static func address(_ data: [UInt8], family: AddressFamily) throws(ResourceDataFault) -> IPAddress {
    let octets: Int
    switch family {
    case .v4: octets = 4
    case .v6: octets = 16
    }
    guard data.count == octets else { throw ResourceDataFault(reason: "an address of \(data.count) octets") }
    let halves = [data.prefix(8), data.dropFirst(8)].map { $0.reduce(0) { $0 << 8 | UInt64($1) } }
    return octets == 4 ? .v4(UInt32(truncatingIfNeeded: halves[0])) : .v6(high: halves[0], low: halves[1])
  }

  /// RFC 1035 §3.3.9.
  public static func mailExchanger(_ data: [UInt8]) throws(ResourceDataFault) -> MailExchanger {
    guard data.count >= 3 else { throw ResourceDataFault(reason: "an MX record of \(data.count) octets") }
    let labels = try labels(data[2...])
    return MailExchanger(preference: UInt16(data[0]) << 8 | UInt16(data[1]), exchange: exchange(labels))
  }

  /// RFC 1035 §3.3.1.
  public static func domainName(_ data: [UInt8]) throws(ResourceDataFault) -> DomainName {
    let text = try labels(data[...]).map(presentation).joined(separator: ".")
    guard let name = try? DomainName(text) else {
      throw ResourceDataFault(reason: "an alias for \(text), no domain name")
    }
    return name
  }

  /// RFC 1035 §3.3.14: character strings, one after another. Joined (RFC 7208 §3.3).
  public static func text(_ data: [UInt8]) throws(ResourceDataFault) -> [UInt8] {
    guard !data.isEmpty else { throw ResourceDataFault(reason: "a TXT record of 0 octets") }
    var text: [UInt8] = []
    var rest = data[...]
    while let length = rest.popFirst() {
      guard rest.count >= Int(length) else { throw ResourceDataFault(reason: "a TXT record that ends in a string") }
      text += rest.prefix(Int(length))
      rest = rest.dropFirst(Int(length))
    }
    return text
  }

  /// The labels of a name that fills the data. RFC 1035 §3.1.
  private static func labels(_ data: ArraySlice<UInt8>) throws(ResourceDataFault) -> [ArraySlice<UInt8>] {
    guard data.count <= 255 else { throw ResourceDataFault(reason: "a name of \(data.count) octets") }
    var labels: [ArraySlice<UInt8>] = []
    var rest = data
    while let length = rest.popFirst() {
      guard length > 0 else {
        guard rest.isEmpty else { throw ResourceDataFault(reason: "\(rest.count) octets behind a name") }
        return labels
      }
      // The two upper bits are those of a pointer (RFC 1035 §4.1.4), which has no place in data by itself.
      guard length <= 63, rest.count >= Int(length) else { throw ResourceDataFault(reason: "a name that does not end") }
      labels.append(rest.prefix(Int(length)))
      rest = rest.dropFirst(Int(length))
    }
    throw ResourceDataFault(reason: "a name that does not end")
  }

  private static func exchange(_ labels: [ArraySlice<UInt8>]) -> MailExchanger.Exchange {
    guard !labels.isEmpty else { return .null }
    let text = labels.map(presentation).joined(separator: ".")
    // What looks like an address is no name of a host (RFC 5321 §5.1).
    guard labels.allSatisfy({ !$0.contains(UInt8(ascii: ".")) }), IPAddress(text) == nil,
      let name = try? DomainName(text)
    else { return .unusable(text) }
    return .host(name)
  }

  /// As zone files write a label (RFC 1035 §5.1); printable ASCII alone.
  private static func presentation(_ label: ArraySlice<UInt8>) -> String {
    label.reduce(into: "") { text, octet in
      switch octet {
      case UInt8(ascii: "."), UInt8(ascii: "\\"): text += "\\\(Character(UnicodeScalar(octet)))"
      case 0x21...0x7e: text.unicodeScalars.append(UnicodeScalar(octet))
      case _:
        let digits = String(octet)
        text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
      }
    }
  }
}
