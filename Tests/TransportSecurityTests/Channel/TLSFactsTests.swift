import Testing
import TransportSecurity

@Suite("TLS facts as records show them")
struct TLSFactsTests {
  @Test("ITLS-009, TRACE-003: registered names, and 0x with four hexadecimal digits where there is none")
  func names() {
    #expect(TLSVersion.v1_3.description == "TLSv1.3")
    #expect(TLSVersion.v1_2.description == "TLSv1.2")
    #expect(TLSVersion.v1_1.description == "TLSv1.1")
    #expect(TLSVersion.v1_0.description == "TLSv1.0")
    #expect(TLSVersion(rawValue: 0x0300).description == "0x0300")
    #expect(CipherSuite(rawValue: 0x1302).description == "TLS_AES_256_GCM_SHA384")
    #expect(CipherSuite(rawValue: 0xc02b).description == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
    #expect(CipherSuite(rawValue: 0x000a).description == "0x000a")
    #expect(NamedGroup(rawValue: 0x11ec).description == "X25519MLKEM768")
    #expect(NamedGroup(rawValue: 0x001d).description == "x25519")
    #expect(NamedGroup(rawValue: 0xfffe).description == "0xfffe")
  }

  @Test("versions are ordered")
  func order() {
    #expect(TLSVersion.v1_0 < .v1_1 && TLSVersion.v1_1 < .v1_2 && TLSVersion.v1_2 < .v1_3)
  }

  @Test("certificate faults have the names of TLS-RPT")
  func resultTypes() {
    #expect(CertificateFault.hostMismatch(expected: "a", presented: []).resultType == "certificate-host-mismatch")
    #expect(CertificateFault.expired.resultType == "certificate-expired")
    #expect(CertificateFault.notTrusted(reason: "x").resultType == "certificate-not-trusted")
  }
}
