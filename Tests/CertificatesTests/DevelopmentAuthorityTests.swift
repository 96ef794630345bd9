import Crypto
import Foundation
import MailSyntax
import Subprocess
import SwiftASN1
import Testing
import X509

@testable import Certificates

@Suite("The development authority")
struct DevelopmentAuthorityTests {
  private let now = UTCInstant(seconds: 1_800_000_000)

  private func folder() -> String {
    NSTemporaryDirectory() + "martlet-authority-\(UInt64.random(in: .min ... .max))"
  }

  private func read(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  @Test("root and leaf carry what RFC 5280 and clients ask of them")
  func extensions() throws {
    let authority = try DevelopmentAuthority(now: now)
    let leaf = try Certificate(pemEncoded: authority.issue(now: now).certificatePEM)
    let root = authority.certificate
    #expect(root.issuer == root.subject && leaf.issuer == root.subject)
    #expect(try root.extensions.basicConstraints == .isCertificateAuthority(maxPathLength: 0))
    #expect(try root.extensions.keyUsage == KeyUsage(keyCertSign: true, cRLSign: true))
    #expect(try leaf.extensions.basicConstraints == .notCertificateAuthority)
    #expect(try leaf.extensions.keyUsage == KeyUsage(digitalSignature: true))
    #expect(try leaf.extensions.extendedKeyUsage == ExtendedKeyUsage([.serverAuth]))
    #expect(
      try leaf.extensions.authorityKeyIdentifier?.keyIdentifier
        == root.extensions.subjectKeyIdentifier?.keyIdentifier)
    #expect(try leaf.extensions.subjectKeyIdentifier != nil)
    #expect(leaf.extensions[oid: .X509ExtensionID.basicConstraints]?.critical == true)
    #expect(
      try leaf.extensions.subjectAlternativeNames.map { Set($0) }
        == Set([
          .dnsName("localhost"), .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])),
          .ipAddress(ASN1OctetString(contentBytes: [UInt8](repeating: 0, count: 15)[...] + [1])),
        ]))
    #expect(root.publicKey.isValidSignature(leaf.signature, for: leaf))
    #expect(root.notValidAfter.timeIntervalSince1970 == Double(now.seconds + 3_650 * 86_400))
    #expect(leaf.notValidAfter.timeIntervalSince1970 == Double(now.seconds + 397 * 86_400))
    #expect(leaf.serialNumber != root.serialNumber && leaf.serialNumber.bytes.count == 16)
  }

  @Test("what is good is kept; a leaf is renewed near its end and for other names; a root near its end takes all along")
  func ensuring() throws {
    let folder = folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = try DevelopmentAuthority.ensure(in: folder, now: now)
    let (root, leaf) = (try read(files.authority), try read(files.chain))

    #expect(try DevelopmentAuthority.ensure(in: folder, now: now + .seconds(366 * 86_400)) == files)
    #expect(try read(files.authority) == root && read(files.chain) == leaf)

    _ = try DevelopmentAuthority.ensure(in: folder, now: now + .seconds(368 * 86_400))
    let renewed = try read(files.chain)
    #expect(try read(files.authority) == root && renewed != leaf)

    let subject = DevelopmentAuthority.Subject(dnsNames: ["localhost", "mail.test"])
    _ = try DevelopmentAuthority.ensure(in: folder, for: subject, now: now + .seconds(368 * 86_400))
    #expect(try read(files.authority) == root && read(files.chain) != renewed)

    _ = try DevelopmentAuthority.ensure(in: folder, for: subject, now: now + .seconds(3_640 * 86_400))
    #expect(try read(files.authority) != root)
    let last = try Certificate(pemEncoded: read(files.chain))
    #expect(try Certificate(pemEncoded: read(files.authority)).publicKey.isValidSignature(last.signature, for: last))
  }

  @Test(
    "a file that is gone, broken, or of another pair is made anew",
    arguments: [
      \DevelopmentAuthority.Files.authority, \.authorityKey, \.chain, \.key,
    ])
  func mending(_ file: any KeyPath<DevelopmentAuthority.Files, String> & Sendable) throws {
    let folder = folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = try DevelopmentAuthority.ensure(in: folder, now: now)
    let other = try DevelopmentAuthority(now: now)
    let strangers = [
      "", "nonsense", other.issued.certificatePEM,
      other.issued.keyPEM.withExposedBytes { String(decoding: $0, as: UTF8.self) },
    ]
    for text in strangers {
      try Data(text.utf8).write(to: URL(fileURLWithPath: files[keyPath: file]))
      _ = try DevelopmentAuthority.ensure(in: folder, now: now)
      try expectPairs(files)
    }
    try FileManager.default.removeItem(atPath: files[keyPath: file])
    _ = try DevelopmentAuthority.ensure(in: folder, now: now)
    try expectPairs(files)
  }

  /// Each certificate with its key, and the leaf by the root.
  private func expectPairs(_ files: DevelopmentAuthority.Files) throws {
    let root = try Certificate(pemEncoded: read(files.authority))
    let leaf = try Certificate(pemEncoded: read(files.chain))
    #expect(try root.publicKey == P256.Signing.PrivateKey(pemRepresentation: read(files.authorityKey)).x509)
    #expect(try leaf.publicKey == P256.Signing.PrivateKey(pemRepresentation: read(files.key)).x509)
    #expect(root.publicKey.isValidSignature(leaf.signature, for: leaf))
  }

  @Test("keys are for their owner alone, and no draft stays behind")
  func modes() throws {
    let folder = folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = try DevelopmentAuthority.ensure(in: folder, now: now)
    for (path, mode) in [
      (files.key, 0o600), (files.authorityKey, 0o600), (files.chain, 0o644), (files.authority, 0o644), (folder, 0o700),
    ] {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == mode, "\(path)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 4)
  }

  @Test("a folder that can't be made is named")
  func badFolder() {
    #expect(throws: AuthorityFault.fileFailed(path: "/proc/martlet", reason: "No such file or directory")) {
      try DevelopmentAuthority.ensure(in: "/proc/martlet", now: now)
    }
  }

  @Test("OpenSSL accepts the chain for the name and the address, where it is at hand")
  func openSSL() async throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl") else { return }
    let folder = folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = try DevelopmentAuthority.ensure(in: folder, now: now)
    for (option, name) in [("-verify_hostname", "localhost"), ("-verify_ip", "127.0.0.1"), ("-verify_ip", "::1")] {
      let check = try await run(
        .name("openssl"),
        arguments: [
          "verify", "-x509_strict", "-purpose", "sslserver", "-attime", "\(now.seconds)", "-CAfile", files.authority,
          option, name, files.chain,
        ],
        output: .string(limit: 1 << 16), error: .combinedWithOutput)
      #expect(check.terminationStatus.isSuccess, "\(check.standardOutput)")
    }
  }
}

extension P256.Signing.PrivateKey {
  fileprivate var x509: Certificate.PublicKey { Certificate.PublicKey(publicKey) }
}
