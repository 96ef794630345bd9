extension DemoExpectation {
  /// In the order in which they are shown; each destination once.
  static let all: [DemoExpectation] =
    enforce + policyHost + testing + daneEE + daneTA + selfSigned + plain + strict

  // MARK: Somebody promises

  private static let enforce = [
    row(.enforce, .listening, .delivered, .certificate, .verified, "RFC 8461 §4.2, RFC 7258 §1"),
    waits(.enforce, .stripped, .certificate, "RFC 8461 §4.2, §5, RFC 3207 §6"),
    waits(.enforce, .refused, .certificate, "RFC 8461 §4.2, §5"),
    waits(.enforce, .ehloRefused, .certificate, "RFC 8461 §4.2, §5"),
    waits(.enforce, .injected, .certificate, "RFC 8461 §4.2, §5, RFC 3207 §4.2"),
    waits(.enforce, .forged, .certificate, "RFC 8461 §4.2, RFC 5280 §6.1"),
    waits(.enforce, .expired, .certificate, "RFC 8461 §4.2"),
    waits(.enforce, .wrongName, .certificate, "RFC 8461 §4.1, §4.2, RFC 9525 §6.3"),
    waits(.enforce, .forgedMX, .later, "RFC 8461 §4.1, §5, RFC 7672 §2.2.1"),
  ]

  /// What holds is the policy that was kept; before the first sight of one there is nothing to hold (RFC 8461 §10.2).
  private static let policyHost = [
    waits(.enforce, .policyKept, .certificate, "RFC 8461 §3.3, §5"),
    row(.enforce, .policyUnknown, .delivered, .nothing, .clear, isRead: true, "RFC 8461 §3.3, §10.2"),
    row(.enforce, .policyRedirected, .delivered, .nothing, .clear, isRead: true, "RFC 8461 §3.3, §10.2"),
  ]

  private static let daneEE = [
    row(.daneEE, .listening, .delivered, .dane, .dane, "RFC 7672 §2.2, §3.1.1"),
    waits(.daneEE, .stripped, .dane, "RFC 7672 §2.2, RFC 3207 §6"),
    waits(.daneEE, .refused, .dane, "RFC 7672 §2.2"),
    waits(.daneEE, .ehloRefused, .dane, "RFC 7672 §2.2"),
    waits(.daneEE, .injected, .dane, "RFC 7672 §2.2, RFC 3207 §4.2"),
    waits(.daneEE, .forged, .dane, "RFC 7672 §2.2, §3.1.1"),
    waits(.daneEE, .expired, .dane, "RFC 7672 §2.2, §3.1.1"),
    waits(.daneEE, .wrongName, .dane, "RFC 7672 §2.2, §3.1.1"),
    waits(.daneEE, .tlsaFailing, .later, "RFC 7672 §2.1.2, §2.2"),
  ]

  private static let daneTA = [
    row(.daneTA, .listening, .delivered, .dane, .dane, "RFC 7672 §2.2, §3.1.2"),
    waits(.daneTA, .stripped, .dane, "RFC 7672 §2.2, RFC 3207 §6"),
    waits(.daneTA, .refused, .dane, "RFC 7672 §2.2"),
    waits(.daneTA, .ehloRefused, .dane, "RFC 7672 §2.2"),
    waits(.daneTA, .injected, .dane, "RFC 7672 §2.2, RFC 3207 §4.2"),
    waits(.daneTA, .forged, .dane, "RFC 7672 §2.2, §3.1.2"),
    waits(.daneTA, .expired, .dane, "RFC 7672 §3.1.2, RFC 5280 §6.1"),
    waits(.daneTA, .wrongName, .dane, "RFC 7672 §3.2.2"),
    waits(.daneTA, .tlsaFailing, .later, "RFC 7672 §2.1.2, §2.2"),
  ]

  // MARK: Nobody does, or only tries it out

  private static let testing = [
    row(.testing, .listening, .delivered, .nothing, .verified, "RFC 8461 §5"),
    readInClear(.testing, .stripped, "RFC 8461 §5, RFC 3207 §6"),
    readInClear(.testing, .refused, "RFC 8461 §5, RFC 3207 §4"),
    readInClear(.testing, .ehloRefused, "RFC 8461 §5, RFC 5321 §3.2"),
    waits(.testing, .injected, .nothing, "RFC 8461 §5, RFC 3207 §4.2"),
    readInTLS(.testing, .forged, "RFC 8461 §5, RFC 7435 §3"),
    readInTLS(.testing, .expired, "RFC 8461 §5, RFC 7435 §3"),
    readInTLS(.testing, .wrongName, "RFC 8461 §5, RFC 7435 §3"),
  ]

  private static let selfSigned = [
    row(.selfSigned, .listening, .delivered, .nothing, .unproven, "RFC 7435 §3, RFC 7258 §1"),
    readInClear(.selfSigned, .stripped, "RFC 7435 §3, RFC 3207 §6"),
    readInClear(.selfSigned, .refused, "RFC 7435 §3, RFC 3207 §4"),
    readInClear(.selfSigned, .ehloRefused, "RFC 7435 §3, RFC 5321 §3.2"),
    waits(.selfSigned, .injected, .nothing, "RFC 3207 §4.2"),
    readInTLS(.selfSigned, .forged, "RFC 7435 §3"),
    readInTLS(.selfSigned, .expired, "RFC 7435 §3"),
    readInTLS(.selfSigned, .wrongName, "RFC 7435 §3"),
  ]

  private static let plain = [readInClear(.plain, .listening, "RFC 3207 §4, RFC 7258 §1")]

  private static let strict = [
    waits(.strict, .listening, .certificate, "RFC 3207 §4.1"),
    waits(.strict, .stripped, .certificate, "RFC 3207 §4.1, §6"),
  ]

  // MARK: Rows

  private static func row(
    _ promise: DemoPromise, _ attack: DemoAttack, _ conduct: Conduct, _ demand: Demand, _ channel: Channel,
    isRead: Bool = false, _ source: String
  ) -> DemoExpectation {
    DemoExpectation(
      destination: DemoDestination(promise: promise, attack: attack), conduct: conduct, demand: demand,
      channel: channel, isRead: isRead, source: source)
  }

  private static func waits(
    _ promise: DemoPromise, _ attack: DemoAttack, _ demand: Demand, _ source: String
  ) -> DemoExpectation {
    row(promise, attack, .waits, demand, .none, source)
  }

  private static func readInClear(_ promise: DemoPromise, _ attack: DemoAttack, _ source: String) -> DemoExpectation {
    row(promise, attack, .delivered, .nothing, .clear, isRead: true, source)
  }

  private static func readInTLS(_ promise: DemoPromise, _ attack: DemoAttack, _ source: String) -> DemoExpectation {
    row(promise, attack, .delivered, .nothing, .unproven, isRead: true, source)
  }
}
