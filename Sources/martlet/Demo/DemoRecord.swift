import Foundation
import MailSyntax
import TransportSecurity

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
      var domain, mailServer, address, offer, floor: String
      var octets: Int
      var isDelivered: Bool
      var milliseconds: Int64
      /// By the word of the server that took it; empty where it went in clear or not at all.
      var version, suite, group: String
      /// By the relay's record.
      var certificate, cleartextReason, result: String
      var fault: String?
    }
    var deliveries: [Delivery]
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
    case .played(let crossings): self.init(deliveries: crossings.map { .init($0) })
    case .skipped(let reason): self.init(deliveries: [], skipped: reason)
    }
  }
}

extension DemoRecord.Relay.Delivery {
  fileprivate init(_ crossing: DemoCrossing) {
    let domain = crossing.domain
    self.init(
      domain: domain.name, mailServer: domain.server.hostName, address: domain.server.address.description,
      offer: domain.server.offer, floor: domain.floor.rawValue, octets: crossing.octets,
      isDelivered: crossing.record?.isDelivered ?? false,
      milliseconds: crossing.endedAfter.nanoseconds / 1_000_000, version: crossing.hop?.version ?? "",
      suite: crossing.hop?.suite ?? "", group: crossing.hop?.group ?? "", certificate: crossing.certificate,
      cleartextReason: crossing.cleartextReason, result: crossing.record?.result ?? "",
      fault: crossing.fault.map { "\($0)" })
  }
}
