/// Turns internationalised domain names into A-labels and back. The implementation stands at the edge (libidn2).
public protocol IDNAConverter: Sendable {
  /// The name with every U-label as an A-label, or nil where RFC 5891 has no such form.
  func asciiForm(of name: DomainName) -> DomainName?
}
