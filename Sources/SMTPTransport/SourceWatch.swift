public import MailSyntax

/// Hears which addresses of ours connections could come from. Called on event loops, for each connection with a source
/// of its own: it must be quick.
public protocol SourceWatch: Sendable {
  func had(_ address: IPAddress)
  /// This machine has no such address, or not now.
  func lacked(_ address: IPAddress, reason: String)
}
