/// Turns internationalised domain names into A-labels and back. The implementation stands at the edge (libidn2).
public protocol IDNAConverter: Sendable {
  /// The name with every U-label as an A-label, or nil where RFC 5891 has no such form.
  func asciiForm(of name: DomainName) -> DomainName?
}

extension IDNAConverter {
  /// One form for a domain however it is spelled: A-labels where there are such, else as it was written. An address
  /// literal has no other spelling.
  public func canonicalForm(of domain: MailDomain) -> MailDomain {
    switch domain {
    case .name(let name): .name(canonicalForm(of: name))
    case .literal: domain
    }
  }

  public func canonicalForm(of name: DomainName) -> DomainName {
    name.isASCII ? name : asciiForm(of: name) ?? name
  }
}

/// Leaves every name as it is written: for those who meet no others.
public struct UnchangedNames: IDNAConverter {
  public init() {}
  public func asciiForm(of name: DomainName) -> DomainName? { name }
}
