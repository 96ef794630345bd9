import MailSyntax
import NIOCore
import SMTPGrammar
@_spi(TLSProofMinting) import SMTPSessions
import Synchronization
import Testing

/// Keeps what it sees.
final class KeptDialogue: DialogueWatch {
  let lines = Mutex<[String]>([])
  let watched = Mutex(true)
  let asked = Atomic<Int>(0)
  let ends = Atomic<Int>(0)

  var isWatched: Bool {
    asked.add(1, ordering: .relaxed)
    return watched.withLock { $0 }
  }
  func saw(_ line: DialogueLine, in session: DialogueSession) { lines.withLock { $0.append(line.description) } }
  func ended(_ session: DialogueSession) { ends.add(1, ordering: .relaxed) }
  func nextOutgoingName() -> String { "out-1" }
  var all: [String] { lines.withLock { $0 } }
}

@Suite("What a watch sees of a server session")
struct ServerDialogueTests {
  let watch = KeptDialogue()
  let wire = ScriptedWire()

  func connection(_ role: ListenerRole = .submission) throws -> ServerConnection {
    let conduct = ScriptedConduct()
    let peer = SocketEndpoint(address: try #require(IPAddress("192.0.2.1")), port: 4711)
    let local = SocketEndpoint(address: try #require(IPAddress("192.0.2.2")), port: 587)
    let connection = ServerConnection(
      wire: wire, facts: SessionFacts(session: SessionID(7), role: role, peer: peer, local: local),
      conduct: conduct, settings: ServerSettings(hostName: try DomainName("mx.example.com")), watch: watch)
    wire.delegate = connection
    connection.opened()
    return connection
  }

  func feed(_ connection: ServerConnection, _ text: String) {
    var bytes = ByteBuffer(string: text)
    connection.received(&bytes)
  }

  @Test("commands and replies are shown in order, with their marks for clear and TLS, and content by its length")
  func order() throws {
    let connection = try connection(.relay)
    feed(connection, "EHLO a.example\r\nSTARTTLS\r\n")
    wire.finishHandshake()
    feed(connection, "EHLO a.example\r\n")
    feed(connection, "MAIL FROM:<anna@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n")
    feed(connection, "Subject: secret subject\r\n\r\nsecret body\r\n.\r\nQUIT\r\n")
    connection.closed(nil)
    let lines = watch.all
    #expect(lines.first == "-- connected from 192.0.2.1:4711 to 192.0.2.2:587")
    #expect(lines.contains("<- EHLO a.example") && lines.contains("<- STARTTLS"))
    #expect(lines.contains("-> 220 2.0.0 ready to start TLS"))
    #expect(lines.contains("<~ EHLO a.example") && lines.contains("<~ RCPT TO:<bob@b.example>"))
    #expect(lines.contains("<~ (40 octets of content)"))
    #expect(!lines.contains { $0.contains("secret") })
    #expect(lines.last == "-- closed: quit")
    let data = try #require(lines.firstIndex(of: "<~ DATA"))
    #expect(lines[data + 1].hasPrefix("~> 354") && lines[data + 2] == "<~ (40 octets of content)")
    #expect(watch.ends.load(ordering: .relaxed) == 1)
  }

  @Test(
    "no octet of AUTH is ever shown, in whatever place it comes (Law 8)",
    arguments: [
      "AUTH PLAIN c2VjcmV0\r\n", "AUTH c2VjcmV0\r\n", "auth plain c2VjcmV0\r\n", "AUTH  LOGIN   c2VjcmV0\r\n",
      "AUTH LOGIN\r\nc2VjcmV0\r\nc2VjcmV0\r\n", "AUTH PLAIN\r\nc2VjcmV0\r\n", "AUTH XOAUTH9 c2VjcmV0\r\nc2VjcmV0\r\n",
      "c2VjcmV0\r\n", "AUTH LOGIN\r\n*\r\nc2VjcmV0\r\n", "AUTH\tPLAIN c2VjcmV0\r\n", " AUTH PLAIN c2VjcmV0\r\n",
      "AUTH PLAIN c2VjcmV0 extra c2VjcmV0\r\n", "PASS c2VjcmV0\r\n", "AUTH PLAIN c2VjcmV0\n",
    ])
  func secrets(_ text: String) throws {
    for startsTLS in [true, false] {
      watch.lines.withLock { $0 = [] }
      let connection = try connection()
      feed(connection, "EHLO a.example\r\n")
      if startsTLS {
        feed(connection, "STARTTLS\r\n")
        wire.finishHandshake()
        feed(connection, "EHLO a.example\r\n")
      }
      // Whole, and octet by octet.
      feed(connection, text)
      for octet in text.utf8 { feed(connection, String(decoding: [octet], as: UTF8.self)) }
      #expect(!watch.all.contains { $0.contains("c2VjcmV0") || $0.contains("secret") }, "\(watch.all)")
    }
  }

  @Test("while nobody watches, nothing is made, and each step asks once")
  func unwatched() throws {
    watch.watched.withLock { $0 = false }
    let connection = try connection(.relay)
    feed(connection, "EHLO a.example\r\n")
    let before = watch.asked.load(ordering: .relaxed)
    feed(connection, "NOOP\r\n")
    // NOOP's step, its reply, and the step that finds no more.
    #expect(watch.asked.load(ordering: .relaxed) - before <= 3)
    #expect(watch.all.isEmpty)
    watch.watched.withLock { $0 = true }
    feed(connection, "NOOP\r\n")
    #expect(watch.all == ["<- NOOP", "-> 250 2.0.0 OK"])
  }
}
