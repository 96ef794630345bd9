internal import MailSyntax

/// What a server knows once it has sent its first message, and how it judges the client's last. Source: RFC 5802 §3.
struct SCRAMServerConversation {
  let clientFirst: SCRAMClientFirst
  let serverFirst: SCRAMServerFirst
  let keys: SCRAMKeys

  enum Judgement {
    /// The server's own proof, to be sent.
    case proven([UInt8])
    case unproven
  }

  func judge(_ final: SCRAMClientFinal) throws(SASLFault) -> Judgement {
    // RFC 5802 §6: always compare `c=` with the header that came, so that nobody in the middle rewrote the flag.
    guard final.binding == clientFirst.gs2Header else { throw .rejected }
    // RFC 5802 §5.1: the whole nonce comes back unchanged.
    guard final.nonce == serverFirst.nonce else { throw .rejected }
    let message = scramAuthMessage(clientFirst.bare, serverFirst.octets, final.withoutProof)
    let clientKey = exclusiveOr(hmac(keys.storedKey, message), final.proof)
    guard Secret(sha256(clientKey)).isEqual(inConstantTimeTo: keys.storedKey) else { return .unproven }
    return .proven(Array("v=".utf8) + SASLBase64.encode(hmac(keys.serverKey, message)))
  }
}

/// AuthMessage: what both sides sign. Source: RFC 5802 §3.
func scramAuthMessage(_ clientFirstBare: [UInt8], _ serverFirst: [UInt8], _ finalWithoutProof: [UInt8]) -> [UInt8] {
  let comma = UInt8(ascii: ",")
  return clientFirstBare + [comma] + serverFirst + [comma] + finalWithoutProof
}

func exclusiveOr(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] { zip(left, right).map { $0 ^ $1 } }
