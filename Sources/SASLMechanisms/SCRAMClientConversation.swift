internal import MailSyntax

/// A client's side of SCRAM between its messages. Source: RFC 5802 §3, §5, §7.
struct SCRAMClientConversation {
  /// RFC 5802 §6: `n`, for this client knows no channel binding.
  private static let gs2Header = Array("n,,".utf8)

  private let password: Secret
  private let nonce: [UInt8]
  private let bare: [UInt8]

  init(_ credential: ClientCredential, nonce: SCRAMNonce) throws(ClientFault) {
    guard case .password(let user, let password) = credential else { throw .wrongCredential }
    do throws(SASLFault) {
      let name = try SASLPreparation.name(user.utf8)
      bare = Array("n=".utf8) + SCRAMName.encode(name) + Array(",r=".utf8) + nonce.octets
      self.password = try SASLPreparation.password(password)
    } catch {
      throw .unusableCredential
    }
    self.nonce = nonce.octets
  }

  var clientFirst: [UInt8] { SCRAMClientConversation.gs2Header + bare }

  /// The conversation once the server's first message has been read and found good.
  struct Derived {
    fileprivate let withoutProof: [UInt8]
    fileprivate let authMessage: [UInt8]

    /// The client's last message, and the signature that the server must answer it with.
    func finish(_ salted: SaltedPassword) -> (message: [UInt8], serverSignature: Secret) {
      let clientKey = salted.clientKey
      let proof = exclusiveOr(clientKey, hmac(Secret(sha256(clientKey)), authMessage))
      let message = withoutProof + ",p=".utf8 + SASLBase64.encode(proof)
      return (message, Secret(hmac(Secret(salted.serverKey), authMessage)))
    }
  }

  func receiveServerFirst(_ challenge: [UInt8]) throws(ClientFault) -> (SCRAMDerivation, Derived) {
    let message: SCRAMServerFirst
    do throws(SASLFault) {
      message = try SCRAMServerFirst(challenge)
    } catch {
      throw .malformedChallenge
    }
    // RFC 5802 §5.1: the server adds to our nonce and changes nothing of it; one that adds nothing has none of its own.
    guard message.nonce.starts(with: nonce), message.nonce.count > nonce.count else { throw .nonceMismatch }
    guard (SCRAMKeys.minimumIterations...SCRAMKeys.maximumIterations).contains(message.iterations) else {
      throw .iterationsOutOfRange(message.iterations)
    }
    let withoutProof =
      Array("c=".utf8) + SASLBase64.encode(SCRAMClientConversation.gs2Header) + Array(",r=".utf8) + message.nonce
    let derived = Derived(
      withoutProof: withoutProof, authMessage: scramAuthMessage(bare, message.octets, withoutProof))
    return (SCRAMDerivation(password: password, salt: message.salt, iterations: message.iterations), derived)
  }

  static func checkServerFinal(_ challenge: [UInt8], _ expected: Secret) throws(ClientFault) {
    let (kind, value): (UInt8, ArraySlice<UInt8>)
    do throws(SASLFault) {
      let attributes = try SCRAMAttributes(challenge[...])
      guard let first = attributes.all.first else { throw .malformed }
      (kind, value) = first
    } catch {
      throw .malformedChallenge
    }
    switch kind {
    case UInt8(ascii: "e"):
      throw .refused(ClientExchange.shown(value))
    case UInt8(ascii: "v"):
      // RFC 5802 §5: the server's proof that it has the keys, and isn't merely repeating what it saw.
      guard let signature = try? SASLBase64.decode(value), Secret(signature).isEqual(inConstantTimeTo: expected) else {
        throw .serverSignatureMismatch
      }
    case _:
      throw .malformedChallenge
    }
  }
}
