internal import CUnbound
import DNSRecords
import MailSyntax

/// What libunbound answered, copied out of its memory.
struct LibraryAnswer: Hashable, Sendable {
  /// A larger answer is cut: nobody could try so many hosts.
  static let maximumRecords = 256
  static let maximumReasonOctets = 500

  var code = 0
  var isNameMissing = false
  var security = Security.insecure
  var data: [[UInt8]] = []
  /// In the form of zone files; nil where no CNAME was followed.
  var canonicalName: String?
  var timeToLiveSeconds = 0

  enum Security: Hashable, Sendable {
    case secure, insecure
    case bogus(reason: String)
  }

  /// - Parameter read: reads one record's data.
  func answer<Record>(
    to asked: DomainName, reading read: ([UInt8]) throws(ResourceDataFault) -> Record
  ) -> DNSAnswer<Record> {
    let state: DNSSECState
    switch security {
    // First: a bogus answer has records, and the code of success.
    case .bogus(let reason): return .bogus(reason: reason)
    case .secure: state = .secure
    case .insecure: state = .insecure
    }
    switch code {
    case 0: break
    case 3: return .noSuchName(state)
    case _: return .failed(reason: LibraryAnswer.words(forCode: code))
    }
    if isNameMissing { return .noSuchName(state) }
    guard !data.isEmpty else { return .none(state) }
    guard let canonicalName = canonicalName.map(LibraryAnswer.name) ?? asked else {
      return .failed(reason: "the name that it leads to is none of a domain")
    }
    var records: [Record] = []
    for item in data.prefix(LibraryAnswer.maximumRecords) {
      do throws(ResourceDataFault) {
        records.append(try read(item))
      } catch {
        // Whoever writes such a record can't be trusted with the others of the answer.
        return .failed(reason: "a malformed answer: \(error.reason)")
      }
    }
    return .records(
      DNSRecordSet(
        records: records, canonicalName: canonicalName, security: state,
        timeToLive: .seconds(max(0, timeToLiveSeconds))))
  }

  private static func name(_ text: String) -> DomainName? {
    try? DomainName(text.hasSuffix(".") ? text.dropLast() : text[...])
  }

  /// RFC 6895 §2.3.
  private static func words(forCode code: Int) -> String {
    switch code {
    case 1: "FORMERR: the name server does not understand the question"
    case 2: "SERVFAIL: no name server gave an answer that can be used"
    case 4: "NOTIMP: the name server does not answer such questions"
    case 5: "REFUSED: the name server refuses to answer"
    case _: "the name server answers with code \(code)"
    }
  }
}

extension LibraryAnswer {
  /// Copies what is there, within the bounds. Any pointer of it may be null: without an answer `data` is.
  init(_ result: ub_result) {
    code = Int(result.rcode)
    isNameMissing = result.nxdomain != 0
    if result.bogus != 0 {
      let reason = result.why_bogus.map { String(cString: $0) } ?? "the answer is not signed as its zone should be"
      security = .bogus(reason: String(decoding: reason.utf8.prefix(LibraryAnswer.maximumReasonOctets), as: UTF8.self))
    } else {
      security = result.secure != 0 ? .secure : .insecure
    }
    canonicalName = result.canonname.map { String(cString: $0) }
    timeToLiveSeconds = Int(result.ttl)
    guard result.havedata != 0, let items = result.data, let lengths = result.len else { return }
    for index in 0..<LibraryAnswer.maximumRecords {
      guard let item = items[index] else { break }
      let octets = UnsafeRawBufferPointer(start: item, count: max(0, Int(lengths[index])))
      data.append(Array(octets))
    }
  }
}
