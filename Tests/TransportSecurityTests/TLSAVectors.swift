import Foundation

/// A self-signed Ed25519 certificate, and what OpenSSL makes of it: independent of the code under test.
enum TLSAVectors {
  static let certificate = octets(
    base64: """
      MIIBSjCB/aADAgECAhRmPqw9OH9eGarNtORR4jYfU0yEZTAFBgMrZXAwGjEYMBYGA1UEAwwPZWQuZXhhbXBsZS50ZXN0MCAXDTI2MTEyMzAwNTQ1
      NVoYDzIxMjYxMDMwMDA1NDU1WjAaMRgwFgYDVQQDDA9lZC5leGFtcGxlLnRlc3QwKjAFBgMrZXADIQBaoS9S4OqNrEgpXv8O7lcDqzjMRhirGAS4
      +5mVxjoS76NTMFEwHQYDVR0OBBYEFNbzDLuwbtzbdorzXXXsu3TVIKcwMB8GA1UdIwQYMBaAFNbzDLuwbtzbdorzXXXsu3TVIKcwMA8GA1UdEwEB
      /wQFMAMBAf8wBQYDK2VwA0EAC5ZZzwfc0k+YaQeeLaqZAEPo2EIjsr8eHDg++BB5MLnR/RLxIcK6YCrt1RXQF+mCEVW7SLng1Dy3rtFmLUR7AQ==
      """)
  static let publicKeyInfo = octets(
    hexadecimal: "302a300506032b65700321005aa12f52e0ea8dac48295eff0eee5703ab38cc4618ab1804b8fb9995c63a12ef")
  static let certificateSHA256 = octets(
    hexadecimal: "91be448233c20b37e77acd9acf767aad4cb5b35b99d4f45153f27d40ccba294a")
  static let publicKeySHA256 = octets(
    hexadecimal: "e3247df1ce1057d79026e829a964ecdf3a9a63b312a0e0f1f3e5b3d592369fe6")
  static let certificateSHA512 = octets(
    hexadecimal: "31ca67d5fafbbdd69e6c838bc9a8113f16466a85102bf91488b46764dcfe340b"
      + "ff30c1d7ef4c2e31467685bdddbe286dde6c26923d74e4ef4e089dd7db8906a9")
  static let publicKeySHA512 = octets(
    hexadecimal: "a4836f6e45d86359937a11d5720d6740240dc0e4f49b7074c227ec4abff5030f"
      + "95e10249a590585872c9894e99824460b373cc0ff881317e9618c3c41094eff8")

  /// By selector, then by matching type.
  static let associations = [
    [certificate, certificateSHA256, certificateSHA512], [publicKeyInfo, publicKeySHA256, publicKeySHA512],
  ]

  private static func octets(base64 text: String) -> [UInt8] {
    Array(Data(base64Encoded: text, options: .ignoreUnknownCharacters) ?? Data())
  }

  private static func octets(hexadecimal text: String) -> [UInt8] {
    let digits = Array(text.utf8)
    return stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
    }
  }
}
