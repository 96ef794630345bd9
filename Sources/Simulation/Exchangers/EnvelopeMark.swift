import MailQueue
import MailSyntax

/// The queue's name of a message behind the local parts of its envelope, `one+1mcc64rgs22wgyck@d0.example`, so that a mail
/// host knows which delivery speaks to it, and on whose connection.
enum EnvelopeMark {
  static func mark(_ mailbox: Mailbox, with id: QueueID) -> Mailbox {
    Mailbox(localPart: "\(mailbox.localPart)+\(id)", domain: mailbox.domain)
  }

  static func read(_ mailbox: Mailbox) -> (id: QueueID, mailbox: Mailbox)? {
    guard let plus = mailbox.localPart.lastIndex(of: "+"),
      let id = QueueID(mailbox.localPart[mailbox.localPart.index(after: plus)...])
    else { return nil }
    return (id, Mailbox(localPart: String(mailbox.localPart[..<plus]), domain: mailbox.domain))
  }
}
