import Foundation
import MailQueue
import MailSyntax
import NIOCore
import NIOPosix
import Relay
import SMTPGrammar
import Synchronization
import Testing

@testable import LocalDelivery

@Suite("Delivery into Maildirs")
final class MaildirDelivererTests {
  private let root: URL
  private let threads = NIOThreadPool(numberOfThreads: 1)

  init() throws {
    root = FileManager.default.temporaryDirectory.appending(path: "maildir-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
    threads.start()
  }

  deinit {
    try? threads.syncShutdownGracefully()
    try? FileManager.default.removeItem(at: root)
  }

  private struct StillClock: MailClock {
    let now = UTCInstant(nanoseconds: 1_700_000_000_123_456_789)
    let uptime = Uptime(nanoseconds: 0)
    func sleep(until deadline: Uptime) async {}
  }

  private func deliverer(_ template: String) throws -> MaildirDeliverer {
    MaildirDeliverer(
      template: try MaildirTemplate(root.path + template), hostName: "mx/1:a.example", clock: StillClock(),
      threads: threads)
  }

  private final class Reader: BodyReader, @unchecked Sendable {
    private var pieces: [ByteBuffer]
    private let fault: StoreFault?
    init(_ pieces: [ByteBuffer], _ fault: StoreFault?) {
      self.pieces = pieces
      self.fault = fault
    }
    func next() async throws(StoreFault) -> ByteBuffer? {
      if pieces.isEmpty, let fault { throw fault }
      return pieces.isEmpty ? nil : pieces.removeFirst()
    }
  }

  private func job(
    _ recipients: [Mailbox], from sender: ReversePath? = nil, body: [ByteBuffer] = [ByteBuffer(string: "\r\nhi\r\n")],
    fault: StoreFault? = nil
  ) throws -> DeliveryJob {
    let new = recipients.map { NewRecipient(address: $0, route: RouteKey(rawValue: "domain/example.com")) }
    let message = NewMessage(
      id: QueueID(acceptedAt: UTCInstant(seconds: 0), random: 1),
      reversePath: try sender ?? .mailbox(try Mailbox("alice@client.example")), recipients: new,
      receivedAt: UTCInstant(seconds: 0), expiresAt: UTCInstant(seconds: 1),
      prefix: ByteBuffer(string: "Received: here\r\n"))
    let queued = new.enumerated().map { QueuedRecipient(number: $0, recipient: $1, due: UTCInstant(seconds: 0)) }
    let size = ByteCount(body.reduce(0) { $0 + $1.readableBytes })
    return DeliveryJob(
      message: QueuedMessage(message: message, bodySize: size, recipients: queued), recipients: queued
    ) { () async throws(StoreFault) in Reader(body, fault) }
  }

  private func files(_ folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: root.path + folder))?.sorted() ?? []
  }
  private func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: root.appending(path: path)), as: UTF8.self)
  }
  private func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: root.path + path)[.posixPermissions] as? Int
  }
  private func describe(_ result: DeliveryResult) -> [String] {
    result.outcomes.map { number, outcome in
      switch outcome {
      case .delivered: "\(number) delivered"
      case .fault(let fault): "\(number) \(fault.stage.rawValue) \(fault.description)"
      }
    }
  }

  @Test("a message stands in new, with Return-Path and Delivered-To in front, and nothing in tmp")
  func delivered() async throws {
    let result = try await deliverer("/%d/%n").deliver(try job([try Mailbox("Bob@Example.com")]))
    #expect(describe(result) == ["0 delivered"])
    let name = try #require(files("/example.com/Bob/new").first)
    let expected = """
      Return-Path: <alice@client.example>\r
      Delivered-To: Bob@Example.com\r
      Received: here\r
      \r
      hi\r

      """
    #expect(try text("/example.com/Bob/new/\(name)") == expected)
    #expect(files("/example.com/Bob") == ["cur", "new", "tmp"])
    #expect(files("/example.com/Bob/tmp").isEmpty)
    #expect(try mode("/example.com/Bob/new/\(name)") == 0o600)
    #expect(try mode("/example.com/Bob/new") == 0o700)
    let pattern = /1700000000\.M123456P\d+Q\d+\.mx\\0571\\072a\.example,S=(\d+)/
    let match = try #require(name.wholeMatch(of: pattern))
    #expect(Int(match.1) == expected.utf8.count)
  }

  @Test("the null sender is written as such")
  func nullSender() async throws {
    _ = try await deliverer("/all").deliver(try job([try Mailbox("bob@example.com")], from: .null))
    let name = try #require(files("/all/new").first)
    #expect(try text("/all/new/\(name)").hasPrefix("Return-Path: <>\r\n"))
  }

  @Test("one folder for all takes a copy for each recipient, more of them than files are held open")
  func shared() async throws {
    let count = MaildirDeliverer.maximumOpenFiles + 3
    let recipients = try (0..<count).map { try Mailbox("user\($0)@example.com") }
    let result = try await deliverer("/all").deliver(try job(recipients))
    #expect(describe(result) == (0..<count).map { "\($0) delivered" })
    let names = files("/all/new")
    #expect(names.count == count)
    let receivers = try names.map { try text("/all/new/\($0)").split(separator: "\r\n")[1] }
    #expect(Set(receivers) == Set(recipients.map { Substring("Delivered-To: \($0)") }))
  }

  @Test("a long message is written whole")
  func long() async throws {
    let piece = ByteBuffer(string: String(repeating: "0123456789abcdef\r\n", count: 3000))
    let body = Array(repeating: piece, count: 20)
    let result = try await deliverer("/all").deliver(try job([try Mailbox("bob@example.com")], body: body))
    #expect(describe(result) == ["0 delivered"])
    let name = try #require(files("/all/new").first)
    let expected = "Received: here\r\n" + String(repeating: String(buffer: piece), count: 20)
    #expect(try text("/all/new/\(name)").hasSuffix(expected))
  }

  @Test(
    "a local part stays in its folder whatever it holds",
    arguments: ["..", "../../escape", "/escape", ".", ".hidden", "a/b"])
  func contained(localPart: String) async throws {
    try FileManager.default.createDirectory(at: root.appending(path: "mail"), withIntermediateDirectories: false)
    let mailbox = Mailbox(localPart: localPart, domain: .name(try DomainName("example.com")))
    let result = try await deliverer("/mail/%d/%n").deliver(try job([mailbox]))
    #expect(describe(result) == ["0 delivered"])
    #expect(files("") == ["mail"])
    #expect(files("/mail") == ["example.com"])
    #expect(files("/mail/example.com").count == 1)
  }

  @Test("an address with a line end makes no header field, and no file")
  func injection() async throws {
    let mailbox = Mailbox(localPart: "a\r\nBcc: evil@example.com", domain: .name(try DomainName("example.com")))
    let result = try await deliverer("/all").deliver(try job([mailbox]))
    #expect(describe(result) == ["0 write here: an address holds a control character"])
    #expect(files("").isEmpty)
  }

  @Test("a missing parent folder is named, and nothing is made in its place")
  func missingParent() async throws {
    let result = try await deliverer("/absent/%d/%n").deliver(try job([try Mailbox("bob@example.com")]))
    #expect(
      describe(result) == ["0 write here: can't make the folder \(root.path)/absent/example.com: it does not exist"])
    #expect(files("").isEmpty)
  }

  @Test("one recipient's broken folder is nobody else's")
  func partial() async throws {
    try Data().write(to: root.appending(path: "bob"))
    let result = try await deliverer("/%n").deliver(
      try job([try Mailbox("bob@example.com"), try Mailbox("carol@example.com")]))
    #expect(describe(result).map { $0.prefix(11) } == ["0 write her", "1 delivered"])
    #expect(files("/carol/new").count == 1)
  }

  @Test("a full disk is a fault that says so", .enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
  func fullDisk() async throws {
    // Each write to the device fails as on a full disk.
    let descriptor = open("/dev/full", O_WRONLY)
    defer { close(descriptor) }
    var fault: FileFault?
    do throws(FileFault) {
      try withUnsafeBytes(of: 1) { bytes throws(FileFault) in try Files.write(bytes, to: descriptor, "/dev/full") }
    } catch {
      fault = error
    }
    #expect(fault?.description == "can't write /dev/full: the disk is full")
  }

  @Test("a stored body that can't be read leaves nothing behind")
  func unreadable() async throws {
    let piece = ByteBuffer(repeating: 0x61, count: MaildirDeliverer.maximumHeldOctets)
    let result = try await deliverer("/all").deliver(
      try job([try Mailbox("bob@example.com")], body: [piece], fault: .stopped(reason: "fsync failed")))
    #expect(describe(result).first?.hasPrefix("0 write here: the stored message can't be read") == true)
    #expect(files("/all/tmp").isEmpty)
    #expect(files("/all/new").isEmpty)
  }

  @Test("no two names are the same, even within one microsecond")
  func names() {
    let names = (0..<1000).map { _ in MaildirName.next(at: StillClock().now, host: "mx.example") }
    #expect(Set(names).count == 1000)
  }
}
