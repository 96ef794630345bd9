/// A three-digit SMTP reply code, 200 to 599. Source: RFC 5321 §4.2.1.
public struct ReplyCode: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
  public let rawValue: UInt16
  public init?(rawValue: UInt16) {
    guard (200...599).contains(rawValue) else { return nil }
    self.rawValue = rawValue
  }
  /// For codes that stand in our own source; one out of range is our bug.
  public init(_ known: UInt16) {
    invariant((200...599).contains(known), "a reply code of our own is out of range")
    rawValue = known
  }

  /// Only the first digit decides what a client does with a code it doesn't know (RFC 5321 §4.3.2).
  public enum Severity: UInt8, Sendable {
    case positiveCompletion = 2
    case positiveIntermediate = 3
    case transientNegative = 4
    case permanentNegative = 5
  }
  public var severity: Severity {
    switch rawValue {
    case ..<300: .positiveCompletion
    case ..<400: .positiveIntermediate
    case ..<500: .transientNegative
    case _: .permanentNegative
    }
  }
  public var isPositive: Bool { rawValue < 400 }
  public var description: String { String(rawValue) }
}

/// `class.subject.detail`. Source: RFC 3463 §2; class 2, 4 or 5, subject and detail 0 to 999.
public struct EnhancedStatusCode: Hashable, Sendable, CustomStringConvertible {
  public enum Class: UInt8, Sendable { case success = 2, persistentTransient = 4, permanent = 5 }
  public let `class`: Class
  public let subject: UInt16
  public let detail: UInt16

  public init(_ class: Class, _ subject: UInt16, _ detail: UInt16) {
    invariant(subject <= 999 && detail <= 999, "an enhanced status code of our own is out of range")
    self.class = `class`
    self.subject = subject
    self.detail = detail
  }
  public var description: String { "\(`class`.rawValue).\(subject).\(detail)" }
}

extension EnhancedStatusCode {
  /// The next server lacks REQUIRETLS. RFC 8689 §4.2.1, §9.
  public static let requireTLSNeeded = EnhancedStatusCode(.permanent, 7, 30)
  /// No session under TLS, such as is asked for, could be had. RFC 5248 §2.4, RFC 8689 §4.2.1.
  public static let encryptionNeeded = EnhancedStatusCode(.permanent, 7, 10)
}
