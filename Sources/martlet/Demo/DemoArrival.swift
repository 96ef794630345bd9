import Foundation
import MailMessage
import NIOCore

/// One wire that a message went over, by the word of the server that took it there.
struct DemoHop: Hashable, Sendable {
  /// The server that wrote the Received field.
  var host: String
  var transmission: String
  var suite: String
  var group: String
  var version: String

  var channel: String { [version, suite, group].filter { !$0.isEmpty }.joined(separator: " ") }
}

/// A message as it lies at the end of its way.
struct DemoArrival: Hashable, Sendable {
  /// In the order of the way: the first server's first.
  let hops: [DemoHop]

  /// Reads a delivered file and holds it against what was sent.
  ///
  /// - Throws: `DemoFault.damaged`, where one octet differs, or more than the trace fields stands in front of it.
  init(octets: [UInt8], sent: [UInt8]) throws(DemoFault) {
    guard octets.count >= sent.count, octets.suffix(sent.count).elementsEqual(sent) else {
      throw .damaged("what arrived is not what was sent")
    }
    let trace = try DemoArrival.fields(of: octets.dropLast(sent.count) + Array("\r\n".utf8))
    guard trace.map(\.name) == ["return-path", "delivered-to", "received", "received"] else {
      throw .damaged("in front of the message stand \(trace.map(\.name).joined(separator: ", "))")
    }
    var hops: [DemoHop] = []
    for field in trace.suffix(2).reversed() { hops.append(try DemoHop(received: field.value)) }
    self.hops = hops
  }

  /// Of a way over two: the first and the last.
  var wires: (first: DemoHop, last: DemoHop) { (hops[0], hops[1]) }

  private static func fields(of octets: [UInt8]) throws(DemoFault) -> [(name: String, value: String)] {
    var scanner = HeaderScanner()
    guard case .complete(let header, _) = scanner.append(ByteBuffer(bytes: octets)) else {
      throw .damaged("the trace fields can't be read")
    }
    return header.fields.map { ($0.name, String(decoding: header.unfoldedValue(of: $0), as: UTF8.self)) }
  }

  /// Reads the one file of a Maildir.
  static func read(maildir: String) throws(DemoFault) -> [UInt8] {
    let folder = maildir + "/new"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    guard names.count == 1, let data = FileManager.default.contents(atPath: "\(folder)/\(names[0])") else {
      throw .damaged("\(folder) holds \(names.count) messages instead of one")
    }
    return Array(data)
  }
}

extension DemoHop {
  /// Holds the taker's word against what the giver saw (`TLSFacts.summary`), and both against what is promised.
  func judge(seen: String, transmission expected: String, certificate: String) throws(DemoFault) {
    guard transmission == expected else {
      throw .insecure("\(host) took it with \(transmission) instead of \(expected)")
    }
    guard !suite.isEmpty, !version.isEmpty else { throw .insecure("\(host) names no TLS") }
    guard seen.hasPrefix(channel) else { throw .disagreement("\(seen) for the sender, \(channel) for \(host)") }
    guard seen.dropFirst(channel.count) == " \(certificate)" else {
      throw .insecure("the certificate of \(host) was to be \(certificate): \(seen)")
    }
  }

  /// Reads a Received field of ours, which names the TLS it was written under (RFC 8314 §4.3).
  fileprivate init(received value: String) throws(DemoFault) {
    guard let trace = try? ReceivedTrace.parse(value) else {
      throw .damaged("a Received field can't be read: \(value)")
    }
    self.init(
      host: trace["by"] ?? "", transmission: trace["with"] ?? "", suite: trace["tls"] ?? "",
      group: trace["group"] ?? "", version: trace.comments.first { $0.hasPrefix("TLSv") } ?? "")
  }
}

/// Why the demonstration has not shown what it is to show.
enum DemoFault: Error, Hashable, Sendable, CustomStringConvertible {
  case notAccepted(String)
  case notDelivered(String)
  case damaged(String)
  /// The two ends of a wire tell different things.
  case disagreement(String)
  case insecure(String)
  /// It went another way than the demonstration has set up.
  case unexpected(String)
  case interrupted
  case tooSlow

  /// Whatever kept a message from its end.
  init(_ error: any Error) {
    if let fault = error as? DemoFault {
      self = fault
    } else if error is CancellationError {
      self = .interrupted
    } else {
      self = .notAccepted("\(error)")
    }
  }

  var description: String {
    switch self {
    case .notAccepted(let text): "the server didn't accept it: \(text)"
    case .notDelivered(let text): "it didn't reach its Maildir: \(text)"
    case .damaged(let text): "it didn't arrive intact: \(text)"
    case .disagreement(let text): "the ends of a wire tell different things of it: \(text)"
    case .insecure(let text): "a wire wasn't as safe as it had to be: \(text)"
    case .unexpected(let text): "it went otherwise than it had to: \(text)"
    case .interrupted: "interrupted"
    case .tooSlow: "it took more than \(DemoTheatre.longestRun.components.seconds) seconds in all"
    }
  }
}
