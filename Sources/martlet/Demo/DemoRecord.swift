import Diagnosis
import Foundation
import MailSyntax

/// What the demonstration prints for a program: one object on one line, keys in order, in snake case.
struct DemoRecord: Encodable {
  struct Message: Encodable {
    struct Wire: Encodable { var from, to, tls, version, suite, group: String }
    var subject: String
    var octets: Int
    var acceptedMilliseconds, deliveredMilliseconds: Int64
    var wires: [Wire]
    var fault: String?
  }

  struct Relay: Encodable {
    struct Delivery: Encodable {
      var domain, promise, attack: String
      /// `delivered` or `waits`.
      var conduct: String
      /// The relay's verdict on what had to be known of the server.
      var demands: String
      /// `none`, `clear`, `unproven`, `verified` or `dane`.
      var over: String
      var attackerRead: Bool
      /// How often the attack was carried out.
      var strikes: Int
      /// The MTA-STS policy that was in force, by the relay's record.
      var mtaSTS: String
      /// Whom the relay met, the channel and the result by its record.
      var host, tls, result: String
      /// By the word of the server that took it; empty where it went in clear or not at all.
      var version, suite, group: String
      var cleartextReason: String
      /// The sections that say that it has to be so.
      var source: String
      var fault: String?
    }
    var deliveries: [Delivery]
    var octets: Int?
    var milliseconds: Int64?
    /// Who answered for the names.
    var names: String?
    var skipped: String?
  }

  var intact: Bool
  var milliseconds: Int64
  var messages: [Message]
  var relay: Relay

  var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension DemoProgramme {
  var record: DemoRecord {
    DemoRecord(
      intact: isIntact, milliseconds: elapsed.nanoseconds / 1_000_000, messages: scenes.map { .init($0) },
      relay: .init(relay))
  }
}

extension DemoRecord.Message {
  fileprivate init(_ scene: DemoScene) {
    let ends = [("program", "server", scene.message.submission), ("server", "smarthost", scene.message.relay)]
    self.init(
      subject: scene.message.title, octets: scene.octets,
      acceptedMilliseconds: scene.acceptedAfter.nanoseconds / 1_000_000,
      deliveredMilliseconds: scene.deliveredAfter.nanoseconds / 1_000_000,
      wires: zip(ends, scene.hops).map { end, hop in
        Wire(from: end.0, to: end.1, tls: end.2.rawValue, version: hop.version, suite: hop.suite, group: hop.group)
      },
      fault: scene.fault.map { "\($0)" })
  }
}

extension DemoRecord.Relay {
  fileprivate init(_ act: DemoRelayAct) {
    switch act {
    case .played(let crossings, let names, let octets, let elapsed):
      self.init(
        deliveries: crossings.map { .init($0) }, octets: octets, milliseconds: elapsed.nanoseconds / 1_000_000,
        names: names)
    case .skipped(let reason): self.init(deliveries: [], skipped: reason)
    }
  }
}

extension DemoRecord.Relay.Delivery {
  fileprivate init(_ crossing: DemoCrossing) {
    let (destination, sight, record) = (crossing.destination, crossing.sight, crossing.record)
    self.init(
      domain: destination.domain, promise: destination.promise.rawValue, attack: destination.attack.rawValue,
      conduct: sight?.conduct.rawValue ?? "", demands: sight?.demand ?? "", over: sight?.channel.rawValue ?? "",
      attackerRead: crossing.attacker.hasSeenMail, strikes: crossing.attacker.strikes, mtaSTS: record?.sts ?? "",
      host: record?.host ?? "",
      tls: record?.tls ?? "", result: record?.result ?? "", version: crossing.hop?.version ?? "",
      suite: crossing.hop?.suite ?? "", group: crossing.hop?.group ?? "", cleartextReason: crossing.cleartextReason,
      source: crossing.expectation.source, fault: crossing.fault.map { "\($0)" })
  }
}
