import Certificates
import Crypto
import Foundation
import MailSyntax
import NIOCore
import SMTPSessions
import SwiftASN1
import Synchronization
import Testing
import TransportSecurity
import X509

@testable import SMTPTransport

/// A folder that goes with the test.
final class Folder: Sendable {
  let path: String
  init() {
    path = NSTemporaryDirectory() + "martlet-\(UInt64.random(in: .min ... .max))"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  func write(_ name: String, _ text: String) throws -> String {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + name))
    return path + "/" + name
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension DevelopmentAuthority.Issued {
  var keyText: String { keyPEM.withExposedBytes { String(decoding: $0, as: UTF8.self) } }
}

@Suite("A server's identities", .timeLimit(.minutes(5)))
struct TLSIdentityTests {
  let house = House.shared

  private func issue(_ name: String) throws -> DevelopmentAuthority.Issued {
    try house.authority.issue(for: .init(dnsNames: [name], addresses: []), now: House.today)
  }

  /// Which certificate a client that sends `serverName` is shown.
  private func shown(_ endpoint: SocketEndpoint, _ serverName: String) async throws -> [String] {
    let client = implicitTLSPlayer(serverName, .recorded)
    try await house.dial(endpoint, client)
    await client.log.wait(for: "tls")
    client.perform { $0.close() }
    return client.facts.withLock { $0?.peerCertificate?.dnsNames ?? [] }
  }

  @Test("STS-034, DANE-022: SNI chooses by name and wildcard; absent or unknown gets the first")
  func serverNames() async throws {
    let identities = try [house.identity(["a.test"]), house.identity(["b.test"]), house.identity(["*.c.test"])]
    let (listener, endpoint) = try await house.listen(.implicitTLS, smtpLikePlayer(), identities: identities)
    for (name, expected) in [
      ("a.test", "a.test"), ("B.test", "b.test"), ("mx.c.test", "*.c.test"), ("c.test", "a.test"),
      ("other.test", "a.test"), ("127.0.0.1", "a.test"),
    ] {
      #expect(try await shown(endpoint, name) == [expected], "\(name)")
    }
    await listener.stopAccepting()
  }

  @Test("a reload serves new sessions anew and leaves open ones alone; a bad pair changes nothing and says why")
  func reload() async throws {
    let folder = Folder()
    let (old, new) = (try issue("old.test"), try issue("new.test"))
    let files = TLSIdentityFiles(
      chain: try folder.write("chain.pem", old.certificatePEM), key: try folder.write("key.pem", old.keyText))
    let store = try TLSIdentityStore(files: [files])
    let server = smtpLikePlayer()
    let (listener, endpoint) = try await house.listen(.implicitTLS, server, store: store)
    let early = implicitTLSPlayer("old.test")
    try await house.dial(endpoint, early)
    await early.log.waitToReceive("220 hello\r\n")

    _ = try folder.write("chain.pem", new.certificatePEM)
    let mismatch = TLSIdentityFault.inFiles(chain: files.chain, key: files.key, .keyDoesNotMatch)
    #expect(throws: mismatch) { try store.reload() }
    #expect(mismatch.description.contains(files.chain) && mismatch.description.contains(files.key))
    #expect(try await shown(endpoint, "old.test") == ["old.test"])

    _ = try folder.write("key.pem", new.keyText)
    try store.reload()
    #expect(try await shown(endpoint, "old.test") == ["new.test"])
    #expect(store.identities.map(\.dnsNames) == [["new.test"]])
    early.say("NOOP\r\n")
    await early.log.waitToReceive("250 NOOP\r\n")
    early.perform { $0.close() }
    await listener.stopAccepting()
  }

  @Test("the watcher reloads on a change, alarms once for a bad one, and ends with its task")
  func watching() async throws {
    let folder = Folder()
    let (old, new) = (try issue("old.test"), try issue("new.test"))
    let files = TLSIdentityFiles(
      chain: try folder.write("chain.pem", old.certificatePEM), key: try folder.write("key.pem", old.keyText))
    let store = try TLSIdentityStore(files: [files])
    let log = EventLog()
    let watcher = Task {
      await store.watch(every: .milliseconds(5)) { outcome in
        switch outcome {
        case .success(let identities): log.add("serving \(identities.map(\.dnsNames))")
        case .failure(let fault): log.add("fault \(fault)")
        }
      }
      log.add("ended")
    }
    _ = try folder.write("chain.pem", "")
    await log.wait(for: "fault \(files.chain): no certificate")
    #expect(store.identities.map(\.dnsNames) == [["old.test"]])
    _ = try folder.write("key.pem", new.keyText)
    _ = try folder.write("chain.pem", new.certificatePEM)
    await log.wait(for: "serving [[\"new.test\"]]")
    #expect(store.identities.map(\.dnsNames) == [["new.test"]])
    watcher.cancel()
    await log.wait(for: "ended")
  }

  @Test("each change is looked at once, be it good or bad")
  func onceForEachChange() throws {
    let folder = Folder()
    let issued = try issue("a.test")
    let files = TLSIdentityFiles(
      chain: try folder.write("chain.pem", issued.certificatePEM), key: try folder.write("key.pem", issued.keyText))
    let store = try TLSIdentityStore(files: [files])
    #expect(store.reloadIfChanged().isNone)
    _ = try folder.write("chain.pem", "")
    guard case .failure? = store.reloadIfChanged() else {
      Issue.record("no alarm")
      return
    }
    #expect(store.reloadIfChanged().isNone)
    try FileManager.default.removeItem(atPath: files.key)
    guard case .failure? = store.reloadIfChanged() else {
      Issue.record("no alarm for a file that is gone")
      return
    }
    #expect(store.reloadIfChanged().isNone)
    #expect(store.identities.map(\.dnsNames) == [["a.test"]])
  }

  @Test("each fault of a pair is named")
  func faults() throws {
    let issued = try issue("a.test")
    let other = try issue("b.test")
    let chain = Array(issued.certificatePEM.utf8)
    let broken = Array(issued.certificatePEM.replacingOccurrences(of: "MII", with: "???").utf8)
    let rows: [(chain: [UInt8], key: Secret, fault: TLSIdentityFault)] = [
      ([], issued.keyPEM, .noCertificate),
      (Array(issued.keyText.utf8), issued.keyPEM, .noCertificate),
      (Array("nonsense".utf8), issued.keyPEM, .noCertificate),
      (broken, issued.keyPEM, .badCertificate("its base 64 or its content is broken")),
      (chain, Secret(""), .noKey),
      (chain, Secret(issued.certificatePEM), .noKey),
      (chain, Secret("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), .badKey),
      (
        chain, Secret("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----"), .encryptedKey
      ),
      (chain, other.keyPEM, .keyDoesNotMatch),
      (chain, Secret(P384.Signing.PrivateKey().pemRepresentation), .keyDoesNotMatch),
    ]
    for row in rows {
      #expect(throws: row.fault) { try TLSIdentity(chainPEM: row.chain, keyPEM: row.key) }
    }
  }

  @Test("files that can't be read are named with their path")
  func files() throws {
    let folder = Folder()
    let issued = try issue("a.test")
    let chain = try folder.write("chain.pem", issued.certificatePEM)
    let files = TLSIdentityFiles(chain: chain, key: folder.path + "/absent.pem")
    let fault = TLSIdentityFault.unreadable(FileFault(path: files.key, errorNumber: ENOENT))
    #expect(throws: fault) { try TLSIdentityStore(files: [files]) }
    #expect(fault.description == "\(files.key): there is no such file")
    #expect(throws: TLSIdentityFault.noIdentity) { try TLSIdentityStore(files: []) }
    #expect(throws: TLSIdentityFault.unreadable(FileFault(path: folder.path, errorNumber: EISDIR))) {
      try TLSIdentityFiles(chain: folder.path, key: chain).load()
    }
  }

  @Test("TLSB-011: RSA under 2048 bits, a small curve and SHA-1 are refused, in words")
  func weakPairs() {
    for (pair, words) in [
      (WeakPairs.shortRSA, "2048"), (WeakPairs.smallCurve, "P-256"), (WeakPairs.sha1, "SHA-1"),
    ] {
      do {
        _ = try TLSIdentity(chainPEM: Array(pair.certificate.utf8), keyPEM: Secret(pair.key))
        Issue.record("taken: \(words)")
      } catch {
        #expect("\(error)".contains(words), "\(error)")
      }
    }
  }

  @Test("TLSB-011: a certificate that we make has a curve of 256 bits and is signed with SHA-256")
  func ownCertificates() throws {
    let issued = try Certificate(pemEncoded: issue("a.test").certificatePEM)
    #expect(issued.signatureAlgorithm == .ecdsaWithSHA256)
    #expect(P256.Signing.PublicKey(issued.publicKey) != nil)
  }

  @Test("RSA keys are taken too")
  func rsa() throws {
    let identity = try TLSIdentity(chainPEM: Array(RSAPair.certificate.utf8), keyPEM: Secret(RSAPair.key))
    #expect(identity.dnsNames == ["rsa.test"])
    #expect(throws: TLSIdentityFault.keyDoesNotMatch) {
      try TLSIdentity(chainPEM: Array(RSAPair.certificate.utf8), keyPEM: try issue("a.test").keyPEM)
    }
  }
}

extension Optional {
  fileprivate var isNone: Bool { if case .none = self { true } else { false } }
}
