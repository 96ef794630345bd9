import MailSyntax

/// One message of the demonstration: what is in it, and the two ways it takes.
struct DemoMessage: Sendable {
  let number: Int
  let title: String
  let text: String
  /// How the program reaches the server, and the server the smarthost.
  let submission: SendSecurity
  let relay: SendSecurity
  /// BDAT, else DATA.
  let usesChunking: Bool

  /// One for each message, so that each has a Maildir of its own.
  var recipient: String { "reader\(number)@recipient.example" }

  /// Both ways in and both ways on, DATA and BDAT, and what is easily damaged on the way.
  static let all = [
    DemoMessage(
      number: 1, title: "a short note", text: "Hello from a program.\n", submission: .implicit, relay: .implicit,
      usesChunking: false),
    DemoMessage(
      number: 2, title: "lines of dots", text: ".\n..\n. \n.\n\nFrom here on, no dot.\n.",
      submission: .starttls, relay: .implicit, usesChunking: false),
    DemoMessage(
      number: 3, title: "text beyond ASCII", text: "Grüße, χαιρετισμοί, привет, 挨拶, 🐦\n", submission: .implicit,
      relay: .starttls, usesChunking: true),
    DemoMessage(
      number: 4, title: "a long one",
      text: (1...4_096).map { "\($0): all work and no play would make this line a dull one.\n" }.joined(),
      submission: .starttls, relay: .starttls, usesChunking: true),
  ]

  func letter(date: UTCInstant) throws -> SendMessage {
    try DemoProgram.letter(to: recipient, about: "Demonstration \(number): \(title)", text, date: date)
  }
}
