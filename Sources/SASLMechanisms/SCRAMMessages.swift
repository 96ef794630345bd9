internal import MailSyntax

/// The lists of attributes SCRAM's messages are: `a=value,b=value`. Source: RFC 5802 §7.
struct SCRAMAttributes {
  static let maximumMessageOctets = 4096
  static let maximumCount = 16
  let all: [(name: UInt8, value: ArraySlice<UInt8>)]

  init(_ octets: ArraySlice<UInt8>) throws(SASLFault) {
    guard octets.count <= SCRAMAttributes.maximumMessageOctets else { throw .malformed }
    let pieces = octets.split(
      separator: UInt8(ascii: ","), maxSplits: SCRAMAttributes.maximumCount, omittingEmptySubsequences: false)
    guard pieces.count <= SCRAMAttributes.maximumCount else { throw .malformed }
    var all: [(name: UInt8, value: ArraySlice<UInt8>)] = []
    for piece in pieces {
      guard let name = piece.first, name.isASCIILetter, piece.dropFirst().first == UInt8(ascii: "=") else {
        throw .malformed
      }
      all.append((name, piece.dropFirst(2)))
    }
    self.all = all
  }

  /// The value of the attribute that must stand at this place.
  func value(_ name: Character, at index: Int) throws(SASLFault) -> ArraySlice<UInt8> {
    guard all.indices.contains(index), all[index].name == name.asciiValue else { throw .malformed }
    return all[index].value
  }

  /// RFC 5802 §5.1: `m=` announces an extension that must be understood; none is, so authentication fails.
  func refuseMandatoryExtension() throws(SASLFault) {
    guard all.first?.name != UInt8(ascii: "m") else { throw .rejected }
  }
}

/// saslname: a name whose `,` and `=` are written `=2C` and `=3D`. Source: RFC 5802 §5.1.
enum SCRAMName {
  static func encode(_ name: String) -> [UInt8] {
    name.utf8.flatMap { octet in
      switch octet {
      case UInt8(ascii: ","): Array("=2C".utf8)
      case UInt8(ascii: "="): Array("=3D".utf8)
      case _: [octet]
      }
    }
  }

  static func decode(_ text: ArraySlice<UInt8>) throws(SASLFault) -> [UInt8] {
    var octets: [UInt8] = []
    var rest = text
    while let octet = rest.popFirst() {
      guard octet == UInt8(ascii: "=") else {
        octets.append(octet)
        continue
      }
      let code = rest.prefix(2)
      rest = rest.dropFirst(2)
      if code.elementsEqual("2C".utf8) {
        octets.append(UInt8(ascii: ","))
      } else if code.elementsEqual("3D".utf8) {
        octets.append(UInt8(ascii: "="))
      } else {
        throw .malformed
      }
    }
    return octets
  }
}

/// `n,,n=user,r=nonce`, as the server reads it. Source: RFC 5802 §7.
struct SCRAMClientFirst {
  /// The GS2 header as it stood: what `c=` must repeat.
  let gs2Header: [UInt8]
  let bare: [UInt8]
  let user: String
  let nonce: [UInt8]

  init(_ octets: [UInt8]) throws(SASLFault) {
    guard octets.count <= SCRAMAttributes.maximumMessageOctets else { throw .malformed }
    let comma = UInt8(ascii: ",")
    let parts = octets.split(separator: comma, maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3 else { throw .malformed }
    // RFC 5802 §6. `y` says "I could bind, you didn't offer it": true, -PLUS isn't offered. `p` asks for what isn't.
    guard parts[0].count == 1, parts[0].first == UInt8(ascii: "n") || parts[0].first == UInt8(ascii: "y") else {
      throw parts[0].starts(with: "p=".utf8) ? .rejected : .malformed
    }
    let attributes = try SCRAMAttributes(parts[2])
    try attributes.refuseMandatoryExtension()
    user = try SASLPreparation.name(try SCRAMName.decode(try attributes.value("n", at: 0)))
    nonce = Array(try attributes.value("r", at: 1))
    guard SCRAMNonce.isValid(nonce) else { throw .malformed }
    // As with PLAIN: an authzid is empty or the user's own name.
    if !parts[1].isEmpty {
      guard parts[1].starts(with: "a=".utf8) else { throw .malformed }
      let identity = try SASLPreparation.name(try SCRAMName.decode(parts[1].dropFirst(2)))
      guard identity.utf8.elementsEqual(user.utf8) else { throw .rejected }
    }
    gs2Header = Array(parts[0]) + [comma] + parts[1] + [comma]
    bare = Array(parts[2])
  }
}

/// `r=nonce,s=salt,i=iterations`: the server writes it, the client reads it.
struct SCRAMServerFirst {
  let nonce: [UInt8]
  let salt: [UInt8]
  let iterations: Int
  /// The message as it went over the wire: it is part of what both sides sign.
  let octets: [UInt8]

  init(nonce: [UInt8], salt: [UInt8], iterations: Int) {
    self.nonce = nonce
    self.salt = salt
    self.iterations = iterations
    octets = Array("r=".utf8) + nonce + Array(",s=".utf8) + SASLBase64.encode(salt) + Array(",i=\(iterations)".utf8)
  }

  init(_ octets: [UInt8]) throws(SASLFault) {
    let attributes = try SCRAMAttributes(octets[...])
    try attributes.refuseMandatoryExtension()
    nonce = Array(try attributes.value("r", at: 0))
    salt = try decodeBase64(try attributes.value("s", at: 1))
    let count = try attributes.value("i", at: 2)
    guard SCRAMNonce.isValid(nonce), !salt.isEmpty, !count.isEmpty, count.count <= 9,
      count.allSatisfy(\.isASCIIDigit), let iterations = Int(String(decoding: count, as: UTF8.self))
    else { throw .malformed }
    self.iterations = iterations
    self.octets = octets
  }
}

/// `c=binding,r=nonce,p=proof`, as the server reads it.
struct SCRAMClientFinal {
  let binding: [UInt8]
  let nonce: [UInt8]
  let proof: [UInt8]
  let withoutProof: [UInt8]

  init(_ octets: [UInt8]) throws(SASLFault) {
    let attributes = try SCRAMAttributes(octets[...])
    try attributes.refuseMandatoryExtension()
    binding = try decodeBase64(try attributes.value("c", at: 0))
    nonce = Array(try attributes.value("r", at: 1))
    // The proof stands last; what is between it and the nonce is an extension, and ignored (RFC 5802 §5.1).
    guard attributes.all.count >= 3 else { throw .malformed }
    let last = try attributes.value("p", at: attributes.all.count - 1)
    proof = try decodeBase64(last)
    guard proof.count == SCRAMKeys.keyOctets else { throw .malformed }
    withoutProof = Array(octets.dropLast(last.count + ",p=".utf8.count))
  }
}

private func decodeBase64(_ text: ArraySlice<UInt8>) throws(SASLFault) -> [UInt8] {
  do throws(SASLBase64.Fault) {
    return try SASLBase64.decode(text)
  } catch {
    throw .malformed
  }
}
