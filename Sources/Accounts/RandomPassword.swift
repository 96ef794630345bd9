public import MailSyntax

/// Passwords made by us: 130 random bits as 26 lower-case letters and digits.
///
/// One word without punctuation, so that a double click takes it whole and no shell or URL changes it; no i, l, o, u.
public enum RandomPassword {
  public static func make(using random: inout some RandomNumberGenerator) -> Secret {
    let groups = [12, 12, 2].map { crockford(random.next(), characters: $0) }
    return Secret(groups.joined())
  }
}
