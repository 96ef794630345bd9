public import MailQueue

/// What a command asks of a running server.
public enum ControlRequest: Hashable, Sendable {
  case status
  /// Numbers for a monitoring system.
  case metrics
  case reload(ReloadScope)
  /// A copy of queue and users in a folder that isn't there yet; an absolute path, as the server sees it.
  case backup(to: String)
  case queue(QueueRequest)
  case policy(PolicyRequest)
  /// Dialogues as they happen, until either side ends the connection.
  case watch(DialogueFilter)
}

/// What is read again.
public enum ReloadScope: Hashable, Sendable {
  /// Configuration, certificates, users and signing keys, as on SIGHUP.
  case everything
  /// The users file alone: who has changed it doesn't ask for a configuration that somebody else is editing.
  case users
  /// The file of signing keys alone, for the same reason.
  case signingKeys
}

/// What is asked of the queue, whether a server runs or not.
public enum QueueRequest: Hashable, Sendable {
  /// A page, oldest first, from behind `after`; `limit` is held to 1 to `QueueControl.maximumListed`.
  case list(QueueFilter, after: QueueID?, limit: Int)
  case show(QueueID)
  case change(QueueChange, QueueFilter)
}

/// An operator's word about recipients. The raw value names it in commands and requests.
public enum QueueChange: String, Hashable, Sendable, CaseIterable {
  case retry, hold, release, delete, bounce
}
