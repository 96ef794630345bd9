/// What is wrong with the octets of a message's content, and where first.
public enum ContentDefect: String, Hashable, Sendable, CaseIterable {
  /// RFC 5321 §2.3.8: CR without LF.
  case bareCarriageReturn = "a bare CR"
  /// RFC 5321 §2.3.8: LF without CR.
  case bareLineFeed = "a bare LF"
  /// RFC 5321 §4.5.2 with RFC 5322 §3.5: text has no NUL.
  case nul = "a NUL"
  /// RFC 5321 §4.5.3.1.6: a text line has at most 1000 octets with its CRLF.
  case overlongLine = "an overlong line"
}

/// The defects of one message: of each kind the line in which it stands first, counted from 1 by CRLF.
public struct ContentDefects: Hashable, Sendable, CustomStringConvertible {
  public internal(set) var bareCarriageReturn: Int?
  public internal(set) var bareLineFeed: Int?
  public internal(set) var nul: Int?
  public internal(set) var overlongLine: Int?

  public init() {}

  public subscript(_ defect: ContentDefect) -> Int? {
    switch defect {
    case .bareCarriageReturn: bareCarriageReturn
    case .bareLineFeed: bareLineFeed
    case .nul: nul
    case .overlongLine: overlongLine
    }
  }
  public var isEmpty: Bool { self == ContentDefects() }
  public func contains(_ defect: ContentDefect) -> Bool { self[defect] != nil }

  /// `a bare LF in line 3, a NUL in line 7`: safe to send as a reply.
  public var description: String {
    ContentDefect.allCases.compactMap { defect in self[defect].map { "\(defect.rawValue) in line \($0)" } }
      .joined(separator: ", ")
  }
}
