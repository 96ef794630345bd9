public import MailSyntax
public import TransportSecurity

extension FloorOverride {
  /// An override is for a bounded time; what is to last longer belongs into the configuration.
  public static let longestTime = Duration.seconds(366 * 86_400)
  public static let maximumReasonOctets = 500
  public static let maximumAuthorOctets = 100

  /// What is wrong with it at `moment`, as a sentence that says how to mend it; nil for one that may be added.
  public func fault(at moment: UTCInstant) -> String? {
    if until <= moment { return "the override would end at \(until.shortText), which is past; name a later time" }
    if until <= from { return "the override would end before it begins" }
    if until - moment > FloorOverride.longestTime {
      return "an override lasts \(FloorOverride.longestTime.components.seconds / 86_400) days at most; name an earlier "
        + "time, or put the floor into the configuration"
    }
    if reason.isEmpty { return "an override needs a reason" }
    if author.isEmpty { return "an override needs an author" }
    if reason.utf8.count > FloorOverride.maximumReasonOctets {
      return "the reason is longer than \(FloorOverride.maximumReasonOctets) octets"
    }
    if author.utf8.count > FloorOverride.maximumAuthorOctets {
      return "the author's name is longer than \(FloorOverride.maximumAuthorOctets) octets"
    }
    return nil
  }
}
