import MailSyntax
import TransportSecurity

/// What a client's hello says in clear. Source: RFC 8446 §4.1.2.
struct ClientHello: Hashable, Sendable {
  /// The host_name of SNI in lower case, where it is a name at all (RFC 6066 §3).
  var serverName: String?
  /// The highest version offered; of `supported_versions` where that is sent (RFC 8446 §4.2.1).
  var highestVersion: TLSVersion
  /// The ALPN identifiers, in the client's order (RFC 7301 §3.1).
  var applicationProtocols: [[UInt8]] = []

  /// TLS 1.1 or lower is all that the client can do.
  var isObsolete: Bool { highestVersion < .v1_2 }
}

/// What a server's hello settles in clear.
struct ServerHello: Hashable, Sendable {
  var version: TLSVersion
  var cipherSuite: CipherSuite
  /// From key_share in TLS 1.3, from ServerKeyExchange in TLS 1.2; absent on TLS 1.2 resumption.
  var group: NamedGroup?
}

enum HelloProgress<Hello: Equatable>: Equatable {
  case needsBytes
  case done(Hello)
  case malformed
}

/// Reads the first message of a client's stream.
struct ClientHelloReader {
  private var messages = HandshakeMessages(wanted: [.clientHello])

  mutating func read(_ bytes: some Collection<UInt8>) -> HelloProgress<ClientHello> {
    messages.append(bytes)
    switch messages.next() {
    case .needsBytes: return .needsBytes
    case .otherRecord, .malformed: return .malformed
    case .message(_, let body):
      guard let hello = ClientHello(body) else { return .malformed }
      return .done(hello)
    }
  }
}

/// Reads a server's stream until suite and group are known. A HelloRetryRequest is passed over.
struct ServerHelloReader {
  private var messages = HandshakeMessages(wanted: [.serverHello, .serverKeyExchange, .serverHelloDone])
  private var hello: ServerHello?

  mutating func read(_ bytes: some Collection<UInt8>) -> HelloProgress<ServerHello> {
    messages.append(bytes)
    while true {
      switch messages.next() {
      case .needsBytes: return .needsBytes
      case .malformed: return .malformed
      case .otherRecord(let type):
        // RFC 8446 §D.4: a change_cipher_spec between HelloRetryRequest and ServerHello means nothing. Behind a
        // ServerHello of TLS 1.2 it means resumption: no key exchange is coming.
        if let hello { return .done(hello) }
        guard type == 20 else { return .malformed }
      case .message(let type, let body):
        if let end = understand(type, body) { return end }
      }
    }
  }

  private mutating func understand(_ type: HandshakeType, _ body: [UInt8]) -> HelloProgress<ServerHello>? {
    switch (type, hello) {
    case (.serverHello, nil):
      guard !ServerHello.isRetryRequest(body) else { return nil }
      guard let hello = ServerHello(body) else { return .malformed }
      self.hello = hello
      return hello.version >= .v1_3 ? .done(hello) : nil
    case (.serverKeyExchange, .some(var hello)):
      // RFC 8422 §5.4: curve_type named_curve(3), then the group.
      var fields = FieldReader(body.prefix(3))
      if fields.octet() == 3, let group = fields.uint16() { hello.group = NamedGroup(rawValue: group) }
      return .done(hello)
    case (.serverHelloDone, .some(let hello)):
      return .done(hello)
    case _:
      return .malformed
    }
  }
}

extension ClientHello {
  /// - Parameter body: the message behind its four octets of header.
  init?(_ body: [UInt8]) {
    var fields = FieldReader(body)
    guard let legacyVersion = fields.uint16(), fields.octets(32) != nil, fields.shortVector() != nil,
      fields.vector() != nil, fields.shortVector() != nil
    else { return nil }
    self.init(serverName: nil, highestVersion: TLSVersion(rawValue: legacyVersion))
    guard !fields.isAtEnd else { return }
    guard let block = fields.vector(), fields.isAtEnd, let extensions = HelloExtension.list(block) else { return nil }
    for part in extensions {
      var fields = FieldReader(part.body)
      switch part.type {
      case 0:  // server_name, RFC 6066 §3
        guard let list = fields.vector() else { return nil }
        serverName = ClientHello.hostName(in: list)
      case 16:  // application_layer_protocol_negotiation, RFC 7301 §3.1
        guard let list = fields.vector() else { return nil }
        var names = FieldReader(list)
        while !names.isAtEnd {
          guard let name = names.shortVector() else { return nil }
          applicationProtocols.append(Array(name))
        }
      case 43:  // supported_versions, RFC 8446 §4.2.1
        guard let list = fields.shortVector() else { return nil }
        var versions = FieldReader(list)
        var highest: UInt16 = 0
        while let version = versions.uint16() {
          // RFC 8701 reserves 0x?a?a as noise: only what begins with 3 is a version of TLS.
          if version >> 8 == 3 { highest = max(highest, version) }
        }
        highestVersion = TLSVersion(rawValue: highest)
      case _: break
      }
    }
  }

  private static func hostName(in list: ArraySlice<UInt8>) -> String? {
    var fields = FieldReader(list)
    while let type = fields.octet(), let name = fields.vector() {
      guard type == 0, name.count <= DomainName.maximumOctets, name.allSatisfy({ $0 < 0x80 }) else { continue }
      return try? DomainName(String(decoding: name, as: UTF8.self)).folded
    }
    return nil
  }
}

extension ServerHello {
  /// RFC 8446 §4.1.3: the random that marks a HelloRetryRequest, SHA-256 of its name.
  static let retryRequestRandom: [UInt8] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
  ]

  static func isRetryRequest(_ body: [UInt8]) -> Bool { body.dropFirst(2).starts(with: retryRequestRandom) }

  /// - Parameter body: the message behind its four octets of header.
  init?(_ body: [UInt8]) {
    var fields = FieldReader(body)
    guard let legacyVersion = fields.uint16(), fields.octets(32) != nil, fields.shortVector() != nil,
      let suite = fields.uint16(), fields.octet() != nil
    else { return nil }
    self.init(version: TLSVersion(rawValue: legacyVersion), cipherSuite: CipherSuite(rawValue: suite), group: nil)
    guard !fields.isAtEnd else { return }
    guard let block = fields.vector(), fields.isAtEnd, let extensions = HelloExtension.list(block) else { return nil }
    for part in extensions {
      var fields = FieldReader(part.body)
      switch part.type {
      case 43:  // supported_versions
        guard let selected = fields.uint16() else { return nil }
        version = TLSVersion(rawValue: selected)
      case 51:  // key_share, RFC 8446 §4.2.8
        guard let selected = fields.uint16() else { return nil }
        group = NamedGroup(rawValue: selected)
      case _: break
      }
    }
  }
}

/// One extension of a hello. Source: RFC 8446 §4.2.
private struct HelloExtension {
  /// More than any client sends; a hello of 16 KiB could carry four thousand empty ones.
  static let maximumCount = 128
  let type: UInt16
  let body: ArraySlice<UInt8>

  static func list(_ block: ArraySlice<UInt8>) -> [HelloExtension]? {
    var fields = FieldReader(block)
    var list: [HelloExtension] = []
    while !fields.isAtEnd {
      guard list.count < maximumCount, let type = fields.uint16(), let body = fields.vector() else { return nil }
      list.append(HelloExtension(type: type, body: body))
    }
    return list
  }
}
