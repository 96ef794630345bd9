import DNSRecords
import MailSyntax
import Testing

@testable import DNSTransport

@Suite("What an answer of libunbound says")
struct LibraryAnswerTests {
  private let asked: DomainName
  private let address: [UInt8] = [192, 0, 2, 1]

  init() throws { asked = try DomainName("example.org") }

  private func read(_ answer: LibraryAnswer) -> DNSAnswer<IPAddress> {
    answer.answer(to: asked) { (data) throws(ResourceDataFault) in try ResourceData.address(data, family: .v4) }
  }

  private func records(_ security: DNSSECState, _ name: String = "example.org") throws -> DNSAnswer<IPAddress> {
    .records(
      DNSRecordSet(
        records: [.v4(0xc000_0201)], canonicalName: try DomainName(name), security: security,
        timeToLive: .seconds(300)))
  }

  /// DANE-001: what fails to validate is no answer, though records come with it and the code is that of success.
  @Test("a bogus answer is bogus before it is anything else")
  func bogus() {
    for code in [0, 2, 3] {
      let answer = LibraryAnswer(
        code: code, security: .bogus(reason: "expired"), data: [address], timeToLiveSeconds: 300)
      #expect(read(answer) == .bogus(reason: "expired"))
    }
  }

  /// DANE-005: the state is that of the whole chain, as the validator gives it.
  @Test("records come with their state, their TTL and the name they stand at")
  func success() throws {
    var answer = LibraryAnswer(security: .secure, data: [address], timeToLiveSeconds: 300)
    #expect(read(answer) == (try records(.secure)))
    answer.security = .insecure
    answer.canonicalName = "real.example.net."
    #expect(read(answer) == (try records(.insecure, "real.example.net")))
  }

  /// SMTP-048: the name that isn't there, the record that isn't, and the answer that isn't are three things.
  @Test("no such name, no such record and no answer are told apart")
  func absent() {
    #expect(read(LibraryAnswer()) == .none(.insecure))
    #expect(read(LibraryAnswer(security: .secure)) == .none(.secure))
    #expect(read(LibraryAnswer(code: 3, isNameMissing: true, security: .secure)) == .noSuchName(.secure))
    #expect(read(LibraryAnswer(isNameMissing: true)) == .noSuchName(.insecure))
    for code in [1, 2, 4, 5, 6, 9, 23] {
      guard case .failed = read(LibraryAnswer(code: code, data: [address])) else {
        Issue.record("code \(code) should be a failure")
        continue
      }
    }
  }

  @Test("one malformed record spoils the answer")
  func malformed() {
    guard case .failed(let reason) = read(LibraryAnswer(data: [address, [192, 0, 2]])) else {
      Issue.record("three octets were taken for an address")
      return
    }
    #expect(reason.contains("3 octets"))
  }

  @Test("an alias to what is no domain is a failure")
  func oddAlias() {
    guard case .failed = read(LibraryAnswer(data: [address], canonicalName: "a\\032b.example.")) else {
      Issue.record("it was taken")
      return
    }
  }

  @Test("no more records are taken than the bound says")
  func bounded() {
    let answer = LibraryAnswer(data: Array(repeating: address, count: LibraryAnswer.maximumRecords + 1))
    guard case .records(let set) = read(answer) else {
      Issue.record("no records")
      return
    }
    #expect(set.records.count == LibraryAnswer.maximumRecords)
  }

  @Test("a TTL below zero is none")
  func negativeTime() throws {
    guard case .records(let set) = read(LibraryAnswer(data: [address], timeToLiveSeconds: -1)) else {
      Issue.record("no records")
      return
    }
    #expect(set.timeToLive == .zero)
  }

  /// What a publisher has written is kept for others to judge: one bad record must not hide the good ones beside it.
  @Test("DANE-019: TLSA data of any length is a record, and an answer of them is never spoiled by one")
  func anyTLSA() {
    let lengths = Array(0...35) + [67, 65_535]
    let data = lengths.map { [UInt8](repeating: 3, count: $0) }
    let answer = LibraryAnswer(security: .secure, data: data).answer(to: asked) { (data) throws(ResourceDataFault) in
      TLSARecord(data: data)
    }
    guard case .records(let set) = answer else {
      Issue.record("\(answer)")
      return
    }
    #expect(set.records.map(\.data.count) == lengths)
    #expect(set.security == .secure)
  }

  @Test("DANE-019: of hundreds of TLSA records, each as long as a message can be, the bound's number is kept")
  func manyTLSA() {
    let data = Array(repeating: [UInt8](repeating: 3, count: 65_535), count: 600)
    let answer = LibraryAnswer(security: .secure, data: data).answer(to: asked) { (data) throws(ResourceDataFault) in
      TLSARecord(data: data)
    }
    guard case .records(let set) = answer else {
      Issue.record("no records")
      return
    }
    #expect(set.records.count == LibraryAnswer.maximumRecords)
  }

  @Test("DANE-005: an alias of too few octets is no answer, and neither is one that leads to no name of a domain")
  func shortAlias() {
    let short = (0...35).map { [UInt8](repeating: 63, count: $0) }
    for data in short + [[0], [0, 0], [1], [1, 0x61], [0xc0, 0x0c], [3, 0x61, 0x20, 0x62, 0]] {
      let answer = LibraryAnswer(security: .secure, data: [data]).answer(to: asked, reading: ResourceData.domainName)
      guard case .failed = answer else {
        Issue.record("\(data) was taken: \(answer)")
        continue
      }
    }
  }
}
