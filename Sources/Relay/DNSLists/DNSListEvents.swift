import MailQueue
import MailSyntax
import SMTPSessions

extension MailEvent {
  /// `session.listed`: once for each recipient and list.
  static func listed(
    _ listing: DNSListVerdict.Listing, _ recipient: String, _ session: SessionFacts
  ) -> MailEvent {
    MailEvent(
      .listed,
      [
        Field("session", .text(session.session.description)), Field("list", .text(listing.list.name)),
        Field("answer", .text(listing.answer.description)), Field("action", .text(listing.list.action.rawValue)),
        Field("recipient", .text(recipient)), Field("reason", .text(listing.reason ?? "")),
      ] + connection(session))
  }

  /// `session.list-unanswered`: a list, or all of them, had nothing to say in time.
  static func unanswered(by list: DNSList?, _ reason: String, _ session: SessionFacts) -> MailEvent {
    MailEvent(
      .listUnanswered,
      [Field("session", .text(session.session.description))] + (list.map { [Field("list", .text($0.name))] } ?? [])
        + [Field("reason", .text(reason))] + connection(session))
  }

  /// The alarm that stands while a list doesn't pass its test.
  static let listFailure = "dns-list-fails"

  static func listFails(_ list: DNSList, _ fault: DNSListFault) -> MailEvent {
    MailEvent(
      .alarm,
      [
        Field("what", .text(listFailure)), Field("list", .text(list.name)),
        Field("reason", .text("the list \(list.name) is not gone by: \(fault)")), Field("remedy", .text(fault.remedy)),
        Field("until-cleared", .flag(true)),
      ])
  }

  static func listWorks(_ list: DNSList, _ reason: String) -> MailEvent {
    MailEvent(
      .alarm,
      [
        Field("what", .text("dns-list-works")), Field("list", .text(list.name)), Field("reason", .text(reason)),
        Field("clears", .text(listFailure)),
      ])
  }
}
