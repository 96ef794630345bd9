import MailSyntax

/// The TXT record by which a domain announces that it has a policy, and which one. Source: RFC 8461 §3.1.
public struct STSRecord: Hashable, Sendable, CustomStringConvertible {
  /// Octets of an id.
  public static let maximumIDLength = 32

  /// 1 to 32 letters and digits. A new one announces a new policy; neither is the greater.
  public let id: String

  /// - Parameter octets: the strings of one TXT record put together without spaces.
  public init(_ octets: [UInt8]) throws(STSRecordFault) {
    guard var rest = STSRecord.withoutVersion(octets[...]) else { throw .noVersion }
    var id: ArraySlice<UInt8>?
    // A field at least stands behind the version; behind the last one there may be a delimiter.
    repeat {
      let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.endIndex
      let field = try Field(rest[..<end].withoutBlanks)
      // RFC 8461 §3.2: of a field that is there twice, the first counts.
      if id == nil, field.name.elementsEqual("id".utf8) { id = field.value }
      rest = rest[end...].dropFirst()
    } while !rest.withoutBlanks.isEmpty
    guard let id else { throw .noID }
    guard id.count <= STSRecord.maximumIDLength, id.allSatisfy(\.isASCIIAlphanumeric) else {
      throw .badID(String(decoding: id, as: UTF8.self))
    }
    self.id = String(decoding: id, as: UTF8.self)
  }

  /// One that is known already.
  public init(id: String) { self.id = id }

  /// As it stands in the DNS.
  public var description: String { "v=STSv1; id=\(id);" }

  /// What follows `v=STSv1;`, or nil where the record is of another kind. The grammar lets blanks stand before the
  /// semicolon, though §3.1's text has none (erratum 6285).
  static func withoutVersion(_ octets: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard octets.starts(with: "v=STSv1".utf8) else { return nil }
    let rest = octets.dropFirst("v=STSv1".utf8.count).drop(while: \.isBlank)
    return rest.first == UInt8(ascii: ";") ? rest.dropFirst() : nil
  }

  /// `name=value` of the extension's grammar, which that of `id` is a part of.
  private struct Field {
    static let maximumNameLength = 32
    let name: ArraySlice<UInt8>
    let value: ArraySlice<UInt8>

    init(_ octets: ArraySlice<UInt8>) throws(STSRecordFault) {
      let end = octets.firstIndex(of: UInt8(ascii: "=")) ?? octets.endIndex
      (name, value) = (octets[..<end], octets[end...].dropFirst())
      let isNamed =
        name.first?.isASCIIAlphanumeric == true && name.count <= Field.maximumNameLength
        && name.allSatisfy { $0.isASCIIAlphanumeric || $0.isSTSNameMark }
      // %x21-3A / %x3C / %x3E-7E: neither `;` nor `=`, blanks nor controls.
      let isFilled = !value.isEmpty && value.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "=") }
      guard isNamed, isFilled else { throw .badField(String(decoding: octets, as: UTF8.self)) }
    }
  }
}

/// Why a TXT record announces nothing, and what its publisher can do about it.
public enum STSRecordFault: Error, Hashable, Sendable, CustomStringConvertible {
  case noVersion
  case noID
  case badID(String)
  case badField(String)

  /// Octets of a stranger's text that are shown.
  static let shownOctets = 80

  public var description: String {
    switch self {
    case .noVersion: "it doesn't begin with v=STSv1;"
    case .noID: "it has no id; publish it as v=STSv1; id=20260101T000000;"
    case .badID(let text):
      "its id is \(text.shown(STSRecordFault.shownOctets)); an id is 1 to \(STSRecord.maximumIDLength) letters and digits"
    case .badField(let text):
      "\(text.shown(STSRecordFault.shownOctets)) is no field; a field is name=value, and fields are parted by semicolons"
    }
  }
}

/// What the TXT records of `_mta-sts.DOMAIN` say, all of them together. Source: RFC 8461 §3.1.
public enum STSDiscovery: Hashable, Sendable {
  case announced(STSRecord)
  /// No record is of this kind.
  case absent
  /// More than one is, and none may be chosen: as if there were none.
  case ambiguous(count: Int)
  /// One is, and can't be read: as if there were none.
  case malformed(STSRecordFault)

  /// - Parameter texts: each record's strings put together. Records that don't begin with `v=STSv1;` are another's.
  public init(texts: [[UInt8]]) {
    let candidates = texts.filter { STSRecord.withoutVersion($0[...]) != nil }
    guard let first = candidates.first else {
      self = .absent
      return
    }
    guard candidates.count == 1 else {
      self = .ambiguous(count: candidates.count)
      return
    }
    do throws(STSRecordFault) {
      self = .announced(try STSRecord(first))
    } catch {
      self = .malformed(error)
    }
  }

  public var record: STSRecord? {
    guard case .announced(let record) = self else { return nil }
    return record
  }
}

extension UInt8 {
  /// WSP of RFC 5234.
  var isBlank: Bool { self == 0x20 || self == 0x09 }
  /// What the name of an extension may have beside letters and digits.
  var isSTSNameMark: Bool { [UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: ".")].contains(self) }
}

extension ArraySlice<UInt8> {
  var withoutBlanks: ArraySlice<UInt8> {
    let rest = drop(while: \.isBlank)
    return rest.lastIndex { !$0.isBlank }.map { rest[...$0] } ?? []
  }
}

extension String {
  /// In quotation marks, without controls, and cut: a stranger's text in a message for people.
  func shown(_ limit: Int) -> String {
    let printable = String(
      String.UnicodeScalarView(unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 }))
    return "\"\(printable.cut(toOctets: limit))\""
  }
}
