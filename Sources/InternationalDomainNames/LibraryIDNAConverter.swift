internal import CIDN2
public import MailSyntax

/// A-labels by libidn2: IDNA 2008 with the mapping of UTS 46, not the transitional one (RFC 5891 §5, RFC 5895).
///
/// STD 3's rule for ASCII is left off: names with an underscore stand in the DNS, `_mta-sts` for one.
public struct LibraryIDNAConverter: IDNAConverter {
  public init() {}

  public func asciiForm(of name: DomainName) -> DomainName? {
    guard !name.isASCII else { return name }
    var result: UnsafeMutablePointer<UInt8>?
    let flags = Int32(IDN2_NFC_INPUT.rawValue | IDN2_NONTRANSITIONAL.rawValue)
    // At most `DomainName.maximumOctets`, and without NUL.
    let code = name.description.withCString {
      $0.withMemoryRebound(to: UInt8.self, capacity: name.description.utf8.count + 1) {
        idn2_lookup_u8($0, &result, flags)
      }
    }
    defer { idn2_free(result) }
    guard code == IDN2_OK.rawValue, let result else { return nil }
    guard let converted = try? DomainName(String(cString: result)), converted.isASCII else { return nil }
    return converted
  }
}
