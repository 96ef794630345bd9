/// The loop that the Received fields of a message tell of.
public enum ReceivedChain {
  /// RFC 5321 §6.3 wants a large threshold, of at least 100.
  public static let maximumHops = 100

  public static func isLoop(_ header: HeaderSection) -> Bool { header.count(of: "received") > maximumHops }
}
