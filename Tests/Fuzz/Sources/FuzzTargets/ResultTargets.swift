import MailMessage
import MailSyntax
import NIOCore

@testable import MailAuthentication

let resultTargets = [
  FuzzTarget("results-reading", reading), FuzzTarget("results-writing", writing),
  FuzzTarget("results-forged", forged), FuzzTarget("received-spf", receivedSPF),
]

/// RFC 8601 §2.2, of another's making.
private func reading(_ bytes: UnsafeRawBufferPointer) {
  let reading: AuthenticationResultsReading
  do throws(AuthenticationResultsFault) {
    reading = try AuthenticationResultsReading(Array(bytes))
  } catch {
    require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
    return
  }
  require(reading.results.count <= AuthenticationResultsReading.maximumResults, "statements are bounded")
  for statement in reading.results {
    require(statement.properties.count <= AuthenticationResultsReading.maximumResults, "properties are bounded")
    require(isOneLine(statement.method) && isOneLine(statement.result), "keywords are keywords")
  }
  let written = Array(written(reading).utf8)
  if written.count <= AuthenticationResultsReading.maximumOctets {
    require(made(try AuthenticationResultsReading(written)) == reading, "a field is read again")
  }
}

private func written(_ reading: AuthenticationResultsReading) -> String {
  var text = FieldText.quoted(reading.authservID)
  if let version = reading.version { text += " \(version)" }
  if reading.results.isEmpty { text += "; none" }
  for statement in reading.results {
    text += "; \(statement.method)=\(statement.result)"
    if let reason = statement.reason { text += " reason=\(FieldText.quoted(reason))" }
    for property in statement.properties { text += " \(property.name)=\(FieldText.quoted(property.value))" }
  }
  return text
}

// MARK: Our own

/// What we write is read as it was meant. The first unit: the authserv-id. Then each unit's first octet chooses: a
/// verdict, with its reason behind it, or (from 0x80 on) a property, with its value.
private func writing(_ bytes: UnsafeRawBufferPointer) {
  let units = bytes.units()
  guard let id = try? DomainName(String(decoding: units[0], as: UTF8.self)) else { return }
  var results: [AuthenticationResult] = []
  for unit in units.dropFirst() {
    guard let choice = unit.first else { continue }
    let text = String(decoding: unit.dropFirst(), as: UTF8.self)
    if choice < 0x80 {
      results.append(AuthenticationResult(verdicts[Int(choice) % verdicts.count], reason: text.isEmpty ? nil : text))
    } else if let last = results.popLast() {
      let names = AuthenticationResult.PropertyName.allCases.filter { $0.methods.contains(last.verdict.method) }
      let property = names.isEmpty ? nil : AuthenticationResult.Property(names[Int(choice) % names.count], text)
      results.append(
        AuthenticationResult(
          last.verdict, reason: last.reason, properties: last.properties + [property].compactMap(\.self)))
    }
  }
  let field = AuthenticationResultsField(authservID: id, results: results)
  require(field.results.count <= AuthenticationResultsField.maximumResults, "statements are bounded")
  for allowsUTF8 in [false, true] {
    let text = field.value(allowsUTF8: allowsUTF8)
    let found = made(try AuthenticationResultsReading(fieldAsRead(made(try field.field(allowsUTF8: allowsUTF8)))))
    require(found.authservID == id.description, "the authserv-id is read: \(text.debugDescription)")
    require(found.results.count == field.results.count, "each statement is read: \(text.debugDescription)")
    for (statement, result) in zip(found.results, field.results) {
      let fit = { FieldText.sanitised($0, allowsUTF8: allowsUTF8) }
      require(
        statement.method == result.verdict.method.rawValue && statement.result == result.verdict.result
          && statement.reason == result.reason.map(fit), "a statement is read: \(text.debugDescription)")
      require(
        statement.properties.map(\.name) == result.properties.map(\.name.rawValue)
          && statement.properties.map(\.value) == result.properties.map { fit($0.value) },
        "properties are read: \(text.debugDescription)")
    }
  }
}

private let verdicts: [AuthenticationVerdict] =
  AuthenticationVerdict.DKIM.allCases.map { .dkim($0) } + SPFResult.allCases.map { .spf($0) }
  + DMARCResult.allCases.map { .dmarc($0) } + AuthenticationVerdict.ARC.allCases.map { .arc($0) }
  + AuthenticationVerdict.SMTPAuthentication.allCases.map { .auth($0) }
  + AuthenticationVerdict.ReverseName.allCases.map { .iprev($0) }

/// A field's value behind folding, scanning and unfolding.
private func fieldAsRead(_ field: HeaderField) -> [UInt8] {
  let octets = Array(field.bytes.readableBytesView)
  guard let (header, _) = message(octets), header.fields.count == 1, let first = header.fields.first else {
    fatalError("a field of ours is one field: \(String(decoding: octets, as: UTF8.self).debugDescription)")
  }
  for line in octets.split(separator: 0x0a) { require(line.count <= 999, "no line is longer than 998 octets") }
  let hasEncodedWord = zip(octets, octets.dropFirst()).contains { $0 == UInt8(ascii: "=") && $1 == UInt8(ascii: "?") }
  require(!hasEncodedWord, "no encoded word begins in a field of ours")
  return header.unfoldedValue(of: first)
}

// MARK: Forged ones

/// RFC 8601 §5: in a header section from outside none is left that bears our name.
private func forged(_ bytes: UnsafeRawBufferPointer) {
  guard let (header, _) = message(Array(bytes)) else { return }
  let own = made(try DomainName("mx.xn--bcher-kva.example"))
  let converter = OneBook()
  let found = ForgedResults(in: header, authservID: own, converter: converter)
  let forged = Set(found.fields.map(\.index))
  for field in found.fields {
    require(header.fields[field.index].name == "authentication-results", "no other field is taken out")
    require(isOneLine("\(field.reason)"), "a reason is one line: \("\(field.reason)".debugDescription)")
  }
  for (index, field) in header.fields.enumerated() where field.name == "authentication-results" {
    let value = header.unfoldedValue(of: field)
    guard let reading = try? AuthenticationResultsReading(value), let id = try? DomainName(reading.authservID) else {
      continue
    }
    require(converter.canonicalForm(of: id) != own || forged.contains(index), "our own name is found: \(id)")
  }
  let kept = header.fields.indices.filter { !forged.contains($0) }
  let left = Array(found.removed(from: header).readableBytesView)
  guard let (cleared, _) = message(left) else {
    return require(kept.isEmpty, "what is left can be read")
  }
  require(
    cleared.fields.map { Array(cleared.octets(in: $0.rawRange)) }
      == kept.map { Array(header.octets(in: header.fields[$0].rawRange)) }, "all others stay as they came")
  let again = ForgedResults(in: cleared, authservID: own, converter: converter)
  require(again.fields.isEmpty, "nothing forged is left")
}

/// Knows our name in two spellings.
private struct OneBook: IDNAConverter {
  func asciiForm(of name: DomainName) -> DomainName? {
    name.folded == "mx.bücher.example" ? made(try DomainName("mx.xn--bcher-kva.example")) : nil
  }
}

// MARK: Received-SPF

/// RFC 7208 §9.1. Units: a choice, then comment, address, reverse path, greeting, problem, receiver and mechanism; empty
/// ones are not there.
private func receivedSPF(_ bytes: UnsafeRawBufferPointer) {
  let units = bytes.units()
  func text(_ index: Int) -> String? {
    units.count > index && !units[index].isEmpty ? String(decoding: units[index], as: UTF8.self) : nil
  }
  let choice = Int(units[0].first ?? 0)
  var field = ReceivedSPFField(SPFResult.allCases[choice % SPFResult.allCases.count])
  field.comment = text(1)
  field.clientAddress = text(2).flatMap { IPAddress($0) }
  field.envelopeFrom = text(3)
  field.greeting = text(4)
  field.problem = text(5)
  field.receiver = text(6).flatMap { try? DomainName($0) }
  field.mechanism = text(7)
  if choice & 0x40 != 0 { field.identity = choice & 0x20 == 0 ? .mailfrom : .helo }
  for allowsUTF8 in [false, true] {
    let fit = { FieldText.sanitised($0, allowsUTF8: allowsUTF8) }
    let value = field.value(allowsUTF8: allowsUTF8)
    var reader = ReceivedSPFReader(fieldAsRead(made(try field.field(allowsUTF8: allowsUTF8))))
    require(reader.word() == field.result.rawValue, "the result is read: \(value.debugDescription)")
    if let comment = field.comment { require(reader.comment() == fit(comment), "the comment is read: \(value)") }
    let pairs: [(String, String?)] = [
      ("client-ip", field.clientAddress?.description), ("envelope-from", field.envelopeFrom),
      ("helo", field.greeting), ("problem", field.problem), ("receiver", field.receiver?.description),
      ("identity", field.identity?.rawValue), ("mechanism", field.mechanism),
    ]
    for case (let name, let text?) in pairs {
      require(
        reader.pair().map { $0 == name && $1 == fit(text) } ?? false, "\(name) is read: \(value.debugDescription)")
    }
    require(reader.isAtEnd, "nothing stands behind: \(value.debugDescription)")
  }
}

/// Reads RFC 7208 §9.1 by the letter.
private struct ReceivedSPFReader {
  private var rest: ArraySlice<UInt8>

  init(_ octets: [UInt8]) { rest = octets[...] }

  var isAtEnd: Bool { rest.allSatisfy { $0 == 0x20 } }

  private mutating func take(_ mark: Unicode.Scalar) -> Bool {
    guard rest.first == UInt8(ascii: mark) else { return false }
    rest = rest.dropFirst()
    return true
  }

  mutating func word() -> String {
    rest = rest.drop { $0 == 0x20 }
    let word = rest.prefix { $0.isAtomText && $0 != UInt8(ascii: "=") || $0 == UInt8(ascii: ".") || $0 >= 0x80 }
    rest = rest.dropFirst(word.count)
    return String(decoding: word, as: UTF8.self)
  }

  mutating func comment() -> String? {
    rest = rest.drop { $0 == 0x20 }
    return take("(") ? escaped(until: ")") : nil
  }

  mutating func pair() -> (name: String, value: String)? {
    let name = word()
    guard take("=") else { return nil }
    guard let value = take("\"") ? escaped(until: "\"") : word(), take(";") else { return nil }
    return (name, value)
  }

  private mutating func escaped(until end: Unicode.Scalar) -> String? {
    var text: [UInt8] = []
    while let octet = rest.popFirst() {
      if octet == UInt8(ascii: end) { return String(decoding: text, as: UTF8.self) }
      if octet == UInt8(ascii: "\\"), let quoted = rest.popFirst() { text.append(quoted) } else { text.append(octet) }
    }
    return nil
  }
}
