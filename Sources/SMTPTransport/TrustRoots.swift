import SwiftASN1
import X509

/// Which authorities a client believes.
public struct TrustRoots: Sendable {
  let bySubject: [DistinguishedName: [Certificate]]
  private let certificates: [Certificate]

  private init(_ certificates: [Certificate]) {
    self.certificates = certificates
    bySubject = Dictionary(grouping: certificates, by: \.subject)
  }

  /// Where systems keep their bundle of public authorities: Debian and its kin, Fedora and its kin.
  static let systemBundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]

  /// The system's own bundle. Parses some hundred certificates: once a process, off the event loops.
  public static func system() throws(TrustRootsFault) -> TrustRoots {
    for path in systemBundles where OctetFile.stamp(path) != nil { return try file(path) }
    throw .noBundle
  }

  /// The certificates of a PEM file alone. A self-signed one is believed for itself where it is marked as an authority,
  /// as `openssl req -x509` marks it.
  public static func file(_ path: String) throws(TrustRootsFault) -> TrustRoots {
    do {
      return try pem(OctetFile.read(path))
    } catch let fault as FileFault {
      throw .unreadable(fault)
    } catch {
      throw .noCertificate(path)
    }
  }

  /// The certificates of all of these files; the system's own bundle where none is named.
  public static func files(_ paths: [String]) throws(TrustRootsFault) -> TrustRoots {
    guard !paths.isEmpty else { return try system() }
    var certificates: [Certificate] = []
    for path in paths { certificates += try file(path).certificates }
    return TrustRoots(certificates)
  }

  /// The certificates of PEM text alone.
  public static func pem(_ text: [UInt8]) throws(TrustRootsFault) -> TrustRoots {
    let documents = (try? PEMDocument.parseMultiple(pemString: String(decoding: text, as: UTF8.self))) ?? []
    // One certificate of a kind that isn't understood doesn't take the others away.
    let certificates = documents.compactMap { try? Certificate(pemDocument: $0) }
    guard !certificates.isEmpty else { throw .noCertificate("the text") }
    return TrustRoots(certificates)
  }
}

public enum TrustRootsFault: Error, Hashable, Sendable, CustomStringConvertible {
  case unreadable(FileFault)
  case noCertificate(String)
  case noBundle
  /// TLS can't be had in this process, whomever it were to believe.
  case noContext(String)

  public var description: String {
    switch self {
    case .unreadable(let fault): fault.description
    case .noBundle: "the system has no bundle of public authorities; install the package ca-certificates"
    case .noContext(let reason): "no TLS context can be made for outgoing connections: \(reason)"
    case .noCertificate(let place): "\(place): no certificate in PEM form is there that can be used as a trust root"
    }
  }
}
