import DNSRecords
import Foundation
import MailAuthentication
import MailMessage
import MailSyntax
import NIOCore

/// The message and the keys that all works share.
struct Stage {
  static let domain = "example.org"
  static let now = UTCInstant(seconds: 1_790_000_000)

  /// The message's octets, as they are on the wire.
  let message: [UInt8]
  let header: HeaderSection
  let body: ByteBuffer
  let resolver: ZoneResolver
  private let folder: URL

  init(_ folder: URL) throws {
    self.folder = folder
    message = Array(try Data(contentsOf: folder.appending(path: "message.eml")))
    (header, body) = try Stage.parts(ByteBuffer(bytes: message))
    resolver = try ZoneFile(Array(try Data(contentsOf: folder.appending(path: "keys.zone")))).resolver()
  }

  /// The private key in PEM, by the name of its kind, which is its selector too.
  func pem(_ kind: DKIMKey.Kind) throws -> String {
    String(decoding: try Data(contentsOf: folder.appending(path: "\(kind.rawValue).pem")), as: UTF8.self)
  }

  func signing(_ kind: DKIMKey.Kind) throws -> DKIMSigning {
    DKIMSigning(
      domain: try DomainName(Stage.domain), selector: try DomainName(kind.rawValue),
      key: try DKIMKey(pem: Secret(try pem(kind))))
  }

  static func parts(_ message: ByteBuffer) throws -> (HeaderSection, body: ByteBuffer) {
    var scanner = HeaderScanner()
    guard case .complete(let header, let rest) = scanner.append(message) else {
      throw Unusable("message.eml is no message with lines that end in CRLF")
    }
    return (header, rest)
  }
}

/// All names here are ASCII.
struct NoConversion: IDNAConverter {
  func asciiForm(of name: DomainName) -> DomainName? { nil }
}
