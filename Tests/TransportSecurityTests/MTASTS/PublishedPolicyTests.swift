import Foundation
import MailSyntax
import Testing
import TransportSecurity

/// One domain of `Tests/Corpus/policy/published.json`, which says what its parts are.
struct PublishedPolicy: Decodable, Sendable, CustomTestStringConvertible {
  /// A TXT record: one string, or several.
  enum Record: Decodable, Sendable {
    case strings([String])
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let one = try? container.decode(String.self) {
        self = .strings([one])
      } else {
        self = .strings(try container.decode([String].self))
      }
    }
    var octets: [UInt8] {
      switch self {
      case .strings(let strings): strings.flatMap { Array($0.utf8) }
      }
    }
  }

  let name: String
  let txt: [Record]
  let file: String
  let martlet: String
  let other: String?
  let right: String?

  var testDescription: String { name }

  /// As `martlet` has it, read by what the relay reads with.
  var reading: String {
    guard let record = STSDiscovery(texts: txt.map(\.octets)).record else { return "unannounced" }
    guard let policy = try? STSPolicy.parse(Array(file.utf8)) else { return "refused" }
    let head = "id=\(record.id) \(policy.mode.rawValue) \(policy.maxAge.components.seconds)"
    return ([head] + policy.patterns.map(\.description)).joined(separator: " ")
  }

  static let all: [PublishedPolicy] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Corpus/policy/published.json")
    return (try? JSONDecoder().decode([PublishedPolicy].self, from: Data(contentsOf: file))) ?? []
  }()
}

@Suite("Policies as domains publish them")
struct PublishedPolicyTests {
  @Test(
    "STS-002, STS-003, STS-004, STS-007, STS-008, STS-009, STS-010: a record and its file are read as RFC 8461 has them",
    arguments: PublishedPolicy.all)
  func reads(_ published: PublishedPolicy) {
    #expect(published.reading == published.martlet)
  }

  @Test("the corpus is there, each domain once, and where another reads otherwise it is said who is right")
  func whole() {
    #expect(PublishedPolicy.all.count > 50)
    #expect(Set(PublishedPolicy.all.map(\.name)).count == PublishedPolicy.all.count)
    for published in PublishedPolicy.all {
      #expect((published.other == nil) == (published.right == nil), "\(published.name)")
      #expect(published.other != published.martlet, "\(published.name)")
      if let right = published.right {
        #expect(right.hasPrefix("Martlet: RFC 8461 §") || right.hasPrefix("open: "), "\(published.name)")
      }
    }
  }
}
