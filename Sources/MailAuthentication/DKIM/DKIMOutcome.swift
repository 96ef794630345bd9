import MailSyntax

/// What became of one signature. Source: RFC 8601 §2.7.1; RFC 6376 §3.9 has SUCCESS, PERMFAIL and TEMPFAIL.
public enum DKIMResult: String, Hashable, Sendable, CaseIterable {
  /// The domain answers for the message as it is.
  case pass
  /// It was signed otherwise, or with another key, or for a time that is over.
  case fail
  /// It verifies, or might, and we don't go by such signatures.
  case policy
  /// It can't be read.
  case neutral
  /// The key can't be had for now.
  case temperror
  /// No key could verify it, or there is none.
  case permerror
}

/// One signature, judged. A message counts as signed by every domain of an outcome that passes, and as unsigned by all
/// others (RFC 6376 §6.1).
public struct DKIMOutcome: Hashable, Sendable {
  /// Among the DKIM-Signature fields, from the top, 0 the first.
  public let place: Int
  public let result: DKIMResult
  /// In a few words.
  public let reason: String
  /// Nil where it can't be read.
  public let signature: DKIMSignature?
  public let keyBits: Int?
  /// The domain tries DKIM out: a failure means no more than no signature (RFC 6376 §3.6.1).
  public let isTesting: Bool
  public let steps: [AuthenticationStep]

  init(
    place: Int, result: DKIMResult, reason: String, signature: DKIMSignature?, keyBits: Int?, isTesting: Bool,
    steps: [AuthenticationStep]
  ) {
    self.place = place
    self.result = result
    self.reason = reason
    self.signature = signature
    self.keyBits = keyBits
    self.isTesting = isTesting
    self.steps = steps
  }

  /// RFC 8601 §2.7.1: what can't be processed is neutral; what lacks something that it must have is permerror.
  init(place: Int, _ fault: DKIMSignatureFault) {
    let result: DKIMResult =
      switch fault.kind {
      case .unreadable: .neutral
      case .unusable: .permerror
      }
    self.init(
      place: place, result: result, reason: "\(fault)", signature: nil, keyBits: nil, isTesting: false,
      steps: [AuthenticationStep("it is no signature: \(fault): \(result.rawValue)", "RFC 6376 §6.1.1")])
  }

  init(passedOver count: Int, place: Int) {
    let reason = "\(count) more signatures are not looked at"
    self.init(
      place: place, result: .policy, reason: reason, signature: nil, keyBits: nil, isTesting: false,
      steps: [AuthenticationStep(reason, "RFC 6376 §6.1")])
  }
}
